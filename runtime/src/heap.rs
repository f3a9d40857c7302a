//! An allocator of free lists: one for each power of two, under one lock.
//!
//! What was freed is kept for the next of its size. A server's memory has a bound of its own (its cache), and the
//! program that starts the application is replaced by it.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::mutex::Mutex;

/// The smallest piece; all pieces are aligned to their size, up to a page.
const SMALLEST: usize = 16;
/// Pieces of this size and more are mappings of their own: there are few, and they are given back.
const LARGE: usize = 4 << 20;
/// How much is asked of the kernel at a time.
const CHUNK: usize = 1 << 20;
const PAGE: usize = 4096;
/// From 16 bytes to 2 MiB.
const CLASSES: usize = (LARGE / SMALLEST).ilog2() as usize;

/// The allocator. All instances share one heap.
#[derive(Clone, Copy, Debug)]
pub struct Heap;

/// What is free.
struct Free {
    /// The first free piece of each class; its first word points at the next.
    lists: [*mut Piece; CLASSES],
    /// The rest of the last chunk.
    next: *mut u8,
    left: usize,
}

struct Piece {
    next: *mut Self,
}

// SAFETY: the pointers are to memory that the heap alone knows of.
unsafe impl Send for Free {}

static FREE: Mutex<Free> =
    Mutex::new(Free { lists: [ptr::null_mut(); CLASSES], next: ptr::null_mut(), left: 0 });

/// The class whose pieces have at least `size` bytes.
const fn class(size: usize) -> usize {
    let size = if size < SMALLEST { SMALLEST } else { size.next_power_of_two() };
    (size / SMALLEST).ilog2() as usize
}

const fn whole_pages(size: usize) -> usize {
    size.next_multiple_of(PAGE)
}

fn map(size: usize) -> *mut u8 {
    // SAFETY: a new mapping at a place of the kernel's choice.
    let mapped = unsafe {
        mmap_anonymous(ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
    };
    mapped.map_or(ptr::null_mut(), <*mut _>::cast)
}

impl Free {
    fn take(&mut self, class: usize) -> *mut u8 {
        self.take_used(class).unwrap_or_else(|| self.take_fresh(class))
    }

    fn take_used(&mut self, class: usize) -> Option<*mut u8> {
        let piece = NonNull::new(self.lists[class])?;
        // SAFETY: pieces on the lists are free memory whose first word `give` has written.
        self.lists[class] = unsafe { piece.as_ref().next };
        Some(piece.as_ptr().cast())
    }

    /// Memory that nobody has had: all zeros, and not there before it is touched.
    fn take_fresh(&mut self, class: usize) -> *mut u8 {
        let size = SMALLEST << class;
        if size >= CHUNK {
            return map(size);
        }
        // Aligned to its size up to a page, which is what layouts may ask for.
        let skip = self.next.align_offset(if size < PAGE { size } else { PAGE });
        if self.next.is_null() || skip.saturating_add(size) > self.left {
            // The rest of the old chunk is too small for this piece and is left: less than the piece's size.
            self.next = map(CHUNK);
            if self.next.is_null() {
                self.left = 0;
                return ptr::null_mut();
            }
            self.left = CHUNK;
            return self.cut(0, size);
        }
        self.cut(skip, size)
    }

    fn cut(&mut self, skip: usize, size: usize) -> *mut u8 {
        // SAFETY: both callers have seen to it that so much is left.
        unsafe {
            let piece = self.next.add(skip);
            self.next = piece.add(size);
            self.left -= skip + size;
            piece
        }
    }

    fn give(&mut self, class: usize, piece: *mut u8) {
        let piece: *mut Piece = piece.cast();
        // SAFETY: the piece was taken from here, has at least sixteen bytes, and its user has given it up.
        unsafe { piece.write(Piece { next: self.lists[class] }) };
        self.lists[class] = piece;
    }
}

// SAFETY: pieces are as large and as aligned as asked (alignment up to a page; nobody asks for more), and no piece is
// handed out twice.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size().max(layout.align());
        if layout.align() > PAGE {
            return ptr::null_mut();
        }
        if size > LARGE / 2 {
            return map(whole_pages(size));
        }
        FREE.lock().take(class(size))
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let size = layout.size().max(layout.align());
        if size > LARGE / 2 {
            // SAFETY: `alloc` mapped just so much. What cannot be unmapped is lost, and no worse.
            let _ = unsafe { munmap(piece.cast(), whole_pages(size)) };
            return;
        }
        FREE.lock().give(class(size), piece);
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let size = layout.size().max(layout.align());
        if size > LARGE / 2 || layout.align() > PAGE {
            // SAFETY: the caller's promise is handed on.
            return unsafe { self.alloc(layout) };
        }
        let class = class(size);
        let mut free = FREE.lock();
        if let Some(piece) = free.take_used(class) {
            drop(free);
            // SAFETY: the piece has at least so many bytes.
            unsafe { piece.write_bytes(0, layout.size()) };
            return piece;
        }
        // Large buffers are often filled in part: the rest costs nothing then.
        free.take_fresh(class)
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let old = layout.size().max(layout.align());
        if size <= LARGE / 2 && old <= LARGE / 2 && class(size.max(layout.align())) == class(old) {
            return piece;
        }
        // SAFETY: the caller's promises: a layout that is one, and a piece of the old size.
        unsafe {
            let grown = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !grown.is_null() {
                ptr::copy_nonoverlapping(piece, grown, layout.size().min(size));
                self.dealloc(piece, layout);
            }
            grown
        }
    }
}

#[cfg(feature = "standalone")]
mod standalone {
    //! C's allocator, for the decoders: size and alignment are kept before the piece.

    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr;

    use super::Heap;

    /// Fits anything that C does not ask more for.
    const ALIGNMENT: usize = 16;

    /// A piece with room for what is kept before it, which takes as much as the alignment.
    fn layout(size: usize, alignment: usize) -> Option<Layout> {
        Layout::from_size_align(size.checked_add(alignment)?, alignment).ok()
    }

    fn allocate(size: usize, alignment: usize) -> *mut u8 {
        let Some(layout) = layout(size, alignment) else { return ptr::null_mut() };
        // SAFETY: the layout is not empty; the two words are within it.
        unsafe {
            let start = Heap.alloc(layout);
            if start.is_null() {
                return start;
            }
            let piece = start.add(alignment);
            piece.cast::<[usize; 2]>().sub(1).write([size, alignment]);
            piece
        }
    }

    #[unsafe(no_mangle)]
    extern "C" fn malloc(size: usize) -> *mut u8 {
        allocate(size, ALIGNMENT)
    }

    #[unsafe(no_mangle)]
    extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
        let Some(size) = count.checked_mul(size) else { return ptr::null_mut() };
        let piece = malloc(size);
        if !piece.is_null() {
            // SAFETY: what `malloc` gives has so many bytes.
            unsafe { piece.write_bytes(0, size) };
        }
        piece
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(
        result: *mut *mut u8,
        alignment: usize,
        size: usize,
    ) -> i32 {
        /// `ENOMEM`.
        const NO_MEMORY: i32 = 12;
        let piece = allocate(size, alignment.max(ALIGNMENT));
        // SAFETY: the caller wants the pointer there.
        unsafe { result.write(piece) };
        if piece.is_null() { NO_MEMORY } else { 0 }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(piece: *mut u8) {
        if piece.is_null() {
            return;
        }
        // SAFETY: C hands back what `allocate` gave, with the two words before it.
        unsafe {
            let [size, alignment] = piece.cast::<[usize; 2]>().sub(1).read();
            if let Some(layout) = layout(size, alignment) {
                Heap.dealloc(piece.sub(alignment), layout);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn pieces_are_aligned_whole_and_used_again() {
        for size in [0, 1, 16, 17, 100, 4096, 5000, 131_072, 1 << 20, (2 << 20) + 1, 9 << 20] {
            let layout =
                Layout::from_size_align(size, if size > 4096 { 4096 } else { 16 }).unwrap();
            // SAFETY: the pieces are used within their size and given back once.
            unsafe {
                let pieces: Vec<*mut u8> = (0..5).map(|_| Heap.alloc(layout)).collect();
                for (index, piece) in pieces.iter().enumerate() {
                    assert_eq!(piece.align_offset(layout.align()), 0);
                    piece.write_bytes(u8::try_from(index).unwrap(), size);
                }
                for (index, piece) in pieces.iter().enumerate() {
                    assert!(
                        (0..size).all(|at| piece.add(at).read() == u8::try_from(index).unwrap()),
                        "{size}"
                    );
                    Heap.dealloc(*piece, layout);
                }
                let zeroed = Heap.alloc_zeroed(layout);
                assert!((0..size).all(|at| zeroed.add(at).read() == 0), "{size}");
                Heap.dealloc(zeroed, layout);
            }
        }
    }

    #[test]
    fn growing_keeps_what_was_written() {
        // SAFETY: as above.
        unsafe {
            let mut layout = Layout::from_size_align(10, 8).unwrap();
            let mut piece = Heap.alloc(layout);
            piece.write_bytes(7, 10);
            for size in [11, 40, 5000, 3 << 20, 5 << 20, 20] {
                piece = Heap.realloc(piece, layout, size);
                layout = Layout::from_size_align(size, 8).unwrap();
                assert!((0..10).all(|at| piece.add(at).read() == 7), "{size}");
            }
            Heap.dealloc(piece, layout);
        }
    }
}
