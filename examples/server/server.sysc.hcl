# A web server made of standard modules: what they need of packages, files and
# units comes with them. `sysc options services.nginx` tells what there is;
# `sysc explain packages` says which module wants what. Try it:
#
#   sysc lock
#   sysc switch --root /tmp/machine

input "debian" {
  type   = "debian"
  suites = ["trixie"]
}

system "server" {
  platform = "linux/amd64"
  base     = input.debian

  services {
    openssh {
      enable = true
      authorized_keys "ada" {
        keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2rDMxsYO1YKIPWGnEHyvzLrLA6BYsWAUkMlmnDBfFr ada@laptop"]
      }
    }
    nginx {
      enable = true
      virtual_host "example.org" {
        server_names = ["example.org", "www.example.org"]
        default      = true
        location "/api/" {
          proxy_pass = "http://127.0.0.1:3000"
        }
      }
    }
    timer "backup" {
      description = "Copy what is dear to us"
      on_calendar = "*-*-* 03:00"
      script      = "cp -a /var/www /var/backups/\n"
    }
  }

  networking {
    hosts = { "192.0.2.7" = ["database"] }
    interface "en*" {
    }
  }

  time {
    timezone = "Europe/Vienna"
  }

  security {
    sudo {
      enable = true
      rule "ada" {
        commands = ["/usr/bin/systemctl reload nginx.service"]
        password = false
      }
    }
  }

  user "ada" {
    uid         = 1000
    description = "Ada Lovelace"
  }
}
