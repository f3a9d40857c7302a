{
  description = "nebula and dnsmasq of one host in one file";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  inputs.closure2img.url = "github:closure2img/closure2img";

  outputs =
    { nixpkgs, closure2img, ... }:
    let
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      # `ca.crt`, `host.crt` and `host.key`, made by `nebula-cert`.
      secrets = ./secrets;
      network = pkgs.runCommand "network" { } ''
        cp -R ${./network} $out
        chmod -R u+w $out
        cp ${secrets}/* $out/etc
        grep -rl '@' $out | xargs sed -i -e "s|@out@|$out|g" \
          -e "s|@busybox@|${pkgs.busybox}|g; s|@nebula@|${pkgs.nebula}|g" \
          -e "s|@dnsmasq@|${pkgs.dnsmasq}|g; s|@s6@|${pkgs.s6}|g"
        chmod +x $out/bin/* $out/services/*/* $out/services/.s6-svscan/*
      '';
    in
    {
      packages.${system}.default =
        pkgs.runCommand "network.AppImage" { nativeBuildInputs = [ closure2img.packages.${system}.default ]; }
          ''
            closure2img appimage ${network} --exec bin/network --name Network \
              --graph ${pkgs.closureInfo { rootPaths = [ network ]; }}/registration --output $out
          '';
    };
}
