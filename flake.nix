{
  description = "Turns a Nix store closure into an OCI image, without Docker, a daemon or root";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      each = make:
        lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: make nixpkgs.legacyPackages.${system});
      manifest = lib.importTOML ./Cargo.toml;

      package = pkgs: pkgs.rustPlatform.buildRustPackage {
        pname = manifest.package.name;
        version = manifest.workspace.package.version;
        src = self;
        cargoLock.lockFile = ./Cargo.lock;
        cargoBuildFlags = [ "--package" manifest.package.name ];
        # Tests whose peers (registries, engines) are not in the sandbox skip themselves, since CI is not set there.
        cargoTestFlags = [ "--workspace" ];
        meta = {
          inherit (manifest.package) description;
          license = [ lib.licenses.mit lib.licenses.asl20 ];
          mainProgram = manifest.package.name;
          platforms = lib.platforms.linux;
        };
      };

      # The package's set-up with another command in place of building and testing.
      check = pkgs: name: tools: command: (package pkgs).overrideAttrs (old: {
        pname = "${old.pname}-${name}";
        nativeBuildInputs = old.nativeBuildInputs ++ tools;
        buildPhase = command;
        doCheck = false;
        installPhase = "touch $out";
      });
    in {
      packages = each (pkgs: { default = package pkgs; });

      checks = each (pkgs: {
        package = package pkgs;
        clippy = check pkgs "clippy" [ pkgs.clippy ]
          "cargo clippy --workspace --all-targets --locked --offline -- -D warnings";
        fmt = check pkgs "fmt" [ pkgs.rustfmt ] "cargo fmt --all --check";
        # A real closure becomes an image; a sandbox has no database, so the graph says what is in it.
        image = pkgs.runCommand "closure2img-hello.tar" { nativeBuildInputs = [ (package pkgs) ]; } ''
          graph=${pkgs.closureInfo { rootPaths = [ pkgs.hello ]; }}/registration
          HOME=$TMPDIR closure2img oci ${pkgs.hello} --graph "$graph" --exec bin/hello --progress none -o "$out"
        '';
      });

      devShells = each (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ (package pkgs) ];
          # The peers of the tests; those that need root (docker, podman) are the system's.
          packages = with pkgs; [
            cargo-deny clippy rust-analyzer rustfmt
            apacheHttpd busybox-sandbox-shell distribution openssl skopeo sqlite strace umoci
          ];
        };
      });
    };
}
