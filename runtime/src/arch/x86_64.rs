//! `x86_64`: System V ABI; system calls by `syscall`, which keeps all registers but `rax`, `rcx` and `r11`.

use core::arch::{asm, naked_asm};
use core::ffi::c_void;

/// Numbers of the system calls that `rustix` has no safe form of (`asm/unistd_64.h`).
pub mod number {
    #![allow(missing_docs)]
    pub const RT_SIGACTION: usize = 13;
    pub const CLONE: usize = 56;
    pub const EXECVE: usize = 59;
    pub const EXIT: usize = 60;
    pub const EXIT_GROUP: usize = 231;
    pub const CLOSE_RANGE: usize = 436;
}

/// A system call with up to five arguments; answers below zero are error numbers.
///
/// # Safety
/// As the call itself: the kernel reads and writes whatever the arguments point at.
pub unsafe fn syscall(number: usize, arguments: [usize; 5]) -> isize {
    let answer: isize;
    // SAFETY: the registers are those of the ABI, and the kernel changes no others; what the call does with memory
    // is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

/// Starts a thread on the stack that ends at `stack`, which calls `run(argument)` and must not return. Gives the
/// thread's number or an error number below zero.
///
/// # Safety
/// `stack` is the upper end of memory that nothing else uses, aligned to 16 bytes; `flags` are such that the new
/// thread has a stack of its own.
#[unsafe(naked)]
pub unsafe extern "C" fn clone_thread(
    flags: usize,
    stack: *mut u8,
    run: unsafe extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> isize {
    naked_asm!(
        // What the thread needs travels in registers that the kernel keeps.
        "mov r8, rdx",
        "mov r9, rcx",
        "xor edx, edx",
        "xor r10d, r10d",
        "mov eax, {clone}",
        // The fifth argument (r8, thread-local storage) is ignored without its flag.
        "syscall",
        "test eax, eax",
        "jnz 2f",
        "xor ebp, ebp",
        "mov rdi, r9",
        "call r8",
        "ud2",
        "2:",
        "movsxd rax, eax",
        "ret",
        clone = const number::CLONE,
    )
}

#[cfg(feature = "standalone")]
mod standalone {
    //! The entry point, and the memory functions that compilers call by name.

    use core::arch::global_asm;

    // The kernel enters with the arguments on the stack. The program may be anywhere (static PIE), so that the
    // addresses in it are put right before any other code runs.
    global_asm!(
        ".globl _start",
        "_start:",
        "xor ebp, ebp",
        "mov rbx, rsp",
        "and rsp, -16",
        "lea rdi, [rip + __ehdr_start]",
        "lea rsi, [rip + _DYNAMIC]",
        "call {relocate}",
        "mov rdi, rbx",
        "call {main}",
        "ud2",
        relocate = sym crate::start::relocate,
        main = sym crate::start::begin,
    );

    // Up to 32 bytes: all is loaded before anything is stored, so that overlaps do no harm. Up to 1 KiB: 32 bytes a
    // turn, with the end loaded first. Beyond that the processor's own copying is as fast as memory.
    global_asm!(
        ".globl memcpy",
        ".globl memmove",
        "memmove:",
        "mov rcx, rdi",
        "sub rcx, rsi",
        "cmp rcx, rdx",
        "jb 20f",
        "memcpy:",
        "mov rax, rdi",
        "10:",
        "cmp rdx, 16",
        "jb 13f",
        "cmp rdx, 32",
        "ja 11f",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm1",
        "ret",
        "11:",
        "cmp rdx, 1024",
        "ja 15f",
        "movups xmm4, [rsi + rdx - 32]",
        "movups xmm5, [rsi + rdx - 16]",
        "lea r8, [rdi + rdx - 32]",
        "12:",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "add rsi, 32",
        "add rdi, 32",
        "cmp rdi, r8",
        "jb 12b",
        "movups [r8], xmm4",
        "movups [r8 + 16], xmm5",
        "ret",
        "13:",
        "cmp edx, 8",
        "jb 14f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + rdx - 8]",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "14:",
        "cmp edx, 4",
        "jb 16f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "16:",
        "test edx, edx",
        "jz 17f",
        "mov r10, rdx",
        "shr r10, 1",
        "movzx ecx, byte ptr [rsi]",
        "movzx r8d, byte ptr [rsi + r10]",
        "movzx r9d, byte ptr [rsi + rdx - 1]",
        "mov [rdi], cl",
        "mov [rdi + r10], r8b",
        "mov [rdi + rdx - 1], r9b",
        "17:",
        "ret",
        "15:",
        "mov rcx, rdx",
        "rep movsb",
        "ret",
        // Backwards, where the target begins within the source.
        "20:",
        "mov rax, rdi",
        "cmp rdx, 32",
        "jbe 10b",
        "movups xmm4, [rsi]",
        "movups xmm5, [rsi + 16]",
        "21:",
        "movups xmm0, [rsi + rdx - 32]",
        "movups xmm1, [rsi + rdx - 16]",
        "movups [rdi + rdx - 32], xmm0",
        "movups [rdi + rdx - 16], xmm1",
        "sub rdx, 32",
        "cmp rdx, 32",
        "ja 21b",
        "movups [rdi], xmm4",
        "movups [rdi + 16], xmm5",
        "ret",
    );

    global_asm!(
        ".globl memset",
        "memset:",
        "mov rax, rdi",
        "movzx ecx, sil",
        "movabs r8, 0x0101010101010101",
        "imul rcx, r8",
        "cmp rdx, 16",
        "jb 32f",
        "cmp rdx, 512",
        "ja 34f",
        "movq xmm0, rcx",
        "punpcklqdq xmm0, xmm0",
        "lea r8, [rdi + rdx - 16]",
        "31:",
        "movups [rdi], xmm0",
        "add rdi, 16",
        "cmp rdi, r8",
        "jb 31b",
        "movups [r8], xmm0",
        "ret",
        "32:",
        "cmp edx, 8",
        "jb 33f",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], rcx",
        "ret",
        "33:",
        "test edx, edx",
        "jz 36f",
        "35:",
        "mov [rdi + rdx - 1], cl",
        "dec edx",
        "jnz 35b",
        "36:",
        "ret",
        "34:",
        "mov r8, rax",
        "mov eax, ecx",
        "mov rcx, rdx",
        "rep stosb",
        "mov rax, r8",
        "ret",
    );

    global_asm!(
        ".globl memcmp",
        ".globl bcmp",
        "memcmp:",
        "bcmp:",
        "cmp rdx, 16",
        "jb 42f",
        "movups xmm0, [rdi]",
        "movups xmm1, [rsi]",
        "pcmpeqb xmm0, xmm1",
        "pmovmskb eax, xmm0",
        "sub eax, 0xffff",
        "jnz 43f",
        "add rdi, 16",
        "add rsi, 16",
        "sub rdx, 16",
        "jmp memcmp",
        "42:",
        "test edx, edx",
        "jz 44f",
        "movzx eax, byte ptr [rdi]",
        "movzx ecx, byte ptr [rsi]",
        "inc rdi",
        "inc rsi",
        "dec edx",
        "sub eax, ecx",
        "jz 42b",
        "ret",
        // The first byte that differs: the mask has a zero for it, and `sub` left the mask minus all ones.
        "43:",
        "neg eax",
        "bsf ecx, eax",
        "movzx eax, byte ptr [rdi + rcx]",
        "movzx ecx, byte ptr [rsi + rcx]",
        "sub eax, ecx",
        "ret",
        "44:",
        "xor eax, eax",
        "ret",
        ".globl strlen",
        "strlen:",
        "mov rax, rdi",
        "51:",
        "cmp byte ptr [rax], 0",
        "je 52f",
        "inc rax",
        "jmp 51b",
        "52:",
        "sub rax, rdi",
        "ret",
    );
}
