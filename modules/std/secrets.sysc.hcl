# Texts that only the machine itself can read, encrypted by age.

option "secret" {
  labels      = ["name"]
  description = "Something that only the machine may know: a file that age has encrypted for the machine's SSH host keys, and that the machine decrypts to /run/secrets when it starts. No definition, store or plan has what is in it."
  option "file" {
    type        = string
    description = "The encrypted file: its path from the directory of the module on, or what source() or a derivation returns."
    example     = "database.age"
  }
  option "path" {
    type         = secret
    default      = "/run/secrets/${self.name}"
    default_text = "/run/secrets/NAME"
    read_only    = true
    description  = "Where services find it."
  }
  option "mode" {
    type        = pattern("0?[0-7]{3}")
    default     = "0400"
    description = "Permissions of the decrypted file, in octal."
  }
  option "user" {
    type        = pattern("[a-z_][a-z0-9_-]*")
    default     = "root"
    description = "The user that the decrypted file belongs to."
  }
  option "group" {
    type        = pattern("[a-z_][a-z0-9_-]*")
    default     = "root"
    description = "The group that the decrypted file belongs to."
  }
  assert {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", self.name))
    error_message = "a secret cannot be called ${self.name}: a name has up to 64 letters, digits and _.- and begins with none of the last two"
  }
}

config {
  when     = length(config.secret) > 0
  packages = ["age"]
  file "/usr/lib/sysc/decrypt-secrets" {
    mode    = "0755"
    content = <<EOT
#!/bin/sh
# Made by sysc from the option secret: decrypts to /run/secrets what the machine's
# SSH host keys open, and removes what is declared no more.
umask 077
keys=
for key in /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_rsa_key; do
  [ -r "$key" ] && keys="$keys --identity $key"
done
failed=0
mkdir -p /run/secrets && chmod 0751 /run/secrets || exit 1
decrypt() {
  new="/run/secrets/.$1.new"
  rm -f "$new"
  if [ -n "$keys" ] && age --decrypt $keys --output "$new" "/usr/lib/sysc/secrets/$1.age" &&
    chown "$3" "$new" && chmod "$2" "$new" && mv -f "$new" "/run/secrets/$1"; then
    return
  fi
  rm -f "$new"
  echo "secret $1: no host key in /etc/ssh decrypts /usr/lib/sysc/secrets/$1.age" >&2
  failed=1
}
%{for name, s in config.secret~}
decrypt ${name} ${s.mode} ${s.user}:${s.group}
%{endfor~}
for file in /run/secrets/*; do
  case " ${join(" ", keys(config.secret))} " in
    *" $${file##*/} "*) ;;
    *) rm -f "$file" ;;
  esac
done
exit "$failed"
EOT
  }
  unit "sysc-secrets.service" {
    wanted_by = ["sysinit.target"]
    content   = <<EOT
# Made by sysc from the option secret.
[Unit]
Description=Decrypt secrets
DefaultDependencies=no
After=local-fs.target systemd-sysusers.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target
%{for name in keys(config.secret)~}
# Reads /usr/lib/sysc/secrets/${name}.age
%{endfor~}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/sysc/decrypt-secrets
EOT
  }
}
