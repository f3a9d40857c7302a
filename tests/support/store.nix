# The store that the integration tests turn into images: plain derivations, so that nothing is fetched.
# `nix::TestStore` has the same names.
let
  make = name: script: derivation {
    name = "test-${name}";
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" script ];
    PATH = "/usr/bin:/bin";
    LC_ALL = "C.UTF-8";
  };
  makeApp = data: make "app" ''
    mkdir -p "$out/bin"
    printf '#!%s\n' ${busybox}/bin/sh > "$out/bin/app"
    echo '${busybox}/bin/cat ${data}/greeting' >> "$out/bin/app"
    echo 'for argument; do echo "argument: $argument"; done' >> "$out/bin/app"
    chmod +x "$out/bin/app"
  '';
  # copied into the store by content, so that a new Debian version makes a new path
  source = builtins.path { path = /bin/busybox; name = "busybox"; };

  busybox = make "busybox" ''
    mkdir -p "$out/bin"
    cp ${source} "$out/bin/busybox"
    chmod +x "$out/bin/busybox"
    for program in $("$out/bin/busybox" --list); do
      [ "$program" = busybox ] || ln -s busybox "$out/bin/$program"
    done
  '';

  file = make "file" ''printf 'file\n' > "$out"'';

  executable = make "executable" ''printf '#!/bin/sh\ncat %s\n' ${file} > "$out"; chmod +x "$out"'';

  data = make "data" ''mkdir "$out"; echo 'hello from the store' > "$out/greeting"'';

  app = makeApp data;

  app2 = makeApp (make "data" ''mkdir "$out"; echo 'hello again from the store' > "$out/greeting"'');

  # No names that begin with `.wh.`: in an image these remove files, which is another test's matter.
  awkward = make "awkward" ''
    mkdir -p "$out/bin" "$out/empty" "$out/deep/empty/er" "$out/etc"
    cd "$out"
    printf '#!/bin/sh\necho awkward\n' > bin/awkward; chmod 755 bin/awkward
    printf x > etc/group-writable; chmod 666 etc/group-writable      # Nix makes it 444
    printf x > etc/owner-exec-only; chmod 700 etc/owner-exec-only    # Nix makes it 555
    : > zero-bytes
    for n in 1 511 512 513 1023 1024 1025 10239 10240 10241; do head -c $n /dev/zero | tr '\0' a > size-$n; done
    truncate -s 1M sparse
    seq 40000 > link-a; ln link-a link-b; cp link-a same-content; cp link-a same-content-x; chmod +x same-content-x
    ln -s link-a symlink-to-hard-link
    mkdir names; cd names
    : > 'space in name'; : > -leading-dash; : > 'quote"s'"'"'s'; : > 'back\slash'; : > 'star*?[x]'
    : > 'tab	tab'; : > "$(printf 'new\nline')"; : > '$HOME'; : > percent%20; : > ' leading'; : > 'trailing '
    : > ünïcödé-nfc; : > "$(printf 'u\314\210-nfd')"; : > "$(printf '\303\274-nfc')"; : > 日本語; : > 🚀
    : > Case; : > case; : > .hidden; : > a:b; : > a=b; : > nul.; : > '#hash'; : > @long; : > ...; : > '"'
    # the order of a folder's names is by bytes, and not that of whole paths: `a.b` comes before `a/`, `a0` after
    mkdir a; : > a/z; : > a.b; : > a0; : > a-
    n() { head -c $1 /dev/zero | tr '\0' n; }
    for l in 99 100 101 155 156 254 255; do : > "$(n $l)"; done
    mkdir "$(n 90)d"; : > "$(n 90)d/$(n 90)"                         # fits the two name fields of a tar header
    d="$(n 120)/$(n 130)/$(n 140)"; mkdir -p "$d"; : > "$d/$(n 150)"; ln -s "$d/$(n 150)" long-target
    d="$(n 200)/$(n 200)/$(n 200)/$(n 200)/$(n 200)/$(n 200)"; mkdir -p "$d"; : > "$d/over-1200-bytes"
  '';

  nonutf8 = make "nonutf8" ''
    mkdir "$out"
    : > "$out/$(printf 'latin1-\344\366\374')"; : > "$out/$(printf '\377\376')"; ln -s "$(printf '\377')" "$out/link"
    mkdir "$out/$(printf 'dir-\200')"; : > "$out/$(printf 'dir-\200')/file"
  '';

  links = make "links" ''
    mkdir -p "$out/d"; cd "$out"
    ln -s ${awkward}/bin/awkward absolute-file; ln -s ${awkward} absolute-dir; ln -s ${file} absolute-path
    ln -s d relative; ln -s ../absolute-file d/up; ln -s . dot; ln -s /nonexistent/target dangling
    ln -s /etc/passwd host-file; ln -s loop-b loop-a; ln -s loop-a loop-b; ln -s ../../../../../../etc/passwd escape
    t() { head -c $1 /dev/zero | tr '\0' t; }
    for l in 99 100 101 1000 4000; do ln -s "$(t $l)" target-$l; done
    ln -s ünïcödé target-utf8; ln -s x ünïcödé-link; ln -s 'a  b ' target-spaces
  '';

  symlink = make "symlink" ''ln -s ${awkward} "$out"'';

  itself = make "itself" ''mkdir "$out"; echo "$out" > "$out/me"; ln -s "$out/me" "$out/link"; ln -s ${links} "$out/links"'';

  top = make "top" ''
    mkdir -p "$out/bin" "$out/nix-support"
    ln -s ${executable} "$out/bin/executable"; ln -s ${app}/bin/app "$out/bin/app"
    echo ${awkward} ${nonutf8} ${links} ${symlink} ${itself} > "$out/nix-support/propagated-build-inputs"
  '';
in { inherit busybox file executable symlink data app app2 awkward nonutf8 links itself top; }
