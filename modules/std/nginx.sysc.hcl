# The web server nginx. The whole of nginx.conf is made here, so that what is
# served is what the definition says and nothing else.

option "services.nginx" {
  description = "The web server nginx."
  option "enable" {
    type        = bool
    default     = false
    description = "Whether nginx runs."
  }
  option "worker_connections" {
    type        = between(64, 1048576)
    default     = 768
    description = "How many connections each worker keeps open at most."
  }
  option "http_config" {
    type        = lines
    default     = ""
    description = "Further lines for the http block of nginx.conf."
    example     = "client_max_body_size 20m;"
  }
  option "virtual_host" {
    labels      = ["name"]
    description = "A site that nginx serves, by its name."
    option "server_names" {
      type        = list(string)
      default     = [self.name]
      description = "The host names that it answers to."
    }
    option "root" {
      type        = path
      default     = "/var/www/${self.name}"
      description = "The directory with its files."
    }
    option "index" {
      type        = list(string)
      default     = ["index.html"]
      description = "The files that stand for a directory, the first that exists."
    }
    option "port" {
      type        = port
      default     = 80
      description = "The TCP port that it listens on."
    }
    option "default" {
      type        = bool
      default     = false
      description = "Whether it answers to names that no site has."
    }
    option "certificate" {
      type        = nullable(path)
      default     = null
      description = "The file with the certificate and its chain; with it, the site speaks TLS."
    }
    option "certificate_key" {
      type        = nullable(secret)
      default     = null
      description = "The file with the certificate's key."
    }
    option "config" {
      type        = lines
      default     = ""
      description = "Further lines for the server block."
    }
    option "location" {
      labels      = ["path"]
      description = "How requests below a path are answered."
      option "proxy_pass" {
        type        = nullable(pattern("https?://[^\\s;{}]+"))
        default     = null
        description = "The server that requests are handed on to."
        example     = "http://127.0.0.1:3000"
      }
      option "root" {
        type        = nullable(path)
        default     = null
        description = "The directory with the files, in place of the site's."
      }
      option "config" {
        type        = lines
        default     = ""
        description = "Further lines for the location block."
      }
      assert {
        condition     = self.proxy_pass == null || self.root == null
        error_message = "location ${self.path} of ${parent.name} has a root and hands requests on: it can do one of them"
      }
    }
    assert {
      condition     = (self.certificate == null) == (self.certificate_key == null)
      error_message = "${self.name} needs certificate and certificate_key, or neither"
    }
    assert {
      condition     = self.port != 443 || self.certificate != null
      error_message = "${self.name} listens on 443 without TLS: give it a certificate and a certificate_key, or another port"
    }
    assert {
      condition     = length(self.server_names) > 0
      error_message = "${self.name} answers to no name"
    }
  }
}

assert {
  condition = alltrue([
    for port in distinct([for host in config.services.nginx.virtual_host : host.port]) :
    length([for host in config.services.nginx.virtual_host : host if host.port == port && host.default]) <= 1
  ])
  error_message = "two of services.nginx.virtual_host are the default on one port: ${join(", ", [for name, host in config.services.nginx.virtual_host : name if host.default])}"
}

config {
  when     = config.services.nginx.enable
  packages = ["nginx"]
  unit "nginx.service" {
    enable = true
  }
  file "/etc/nginx/nginx.conf" {
    content = <<EOT
# Made by sysc from services.nginx.
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;

events {
  worker_connections ${config.services.nginx.worker_connections};
}

http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  server_tokens off;
  ssl_protocols TLSv1.2 TLSv1.3;
  access_log /var/log/nginx/access.log;
  gzip on;
%{for line in compact(split("\n", config.services.nginx.http_config))~}
  ${line}
%{endfor~}
%{for host in config.services.nginx.virtual_host~}

  server {
    listen ${host.port}${host.certificate != null ? " ssl" : ""}${host.default ? " default_server" : ""};
    listen [::]:${host.port}${host.certificate != null ? " ssl" : ""}${host.default ? " default_server" : ""};
    server_name ${join(" ", host.server_names)};
    root ${host.root};
    index ${join(" ", host.index)};
%{if host.certificate != null~}
    ssl_certificate ${host.certificate};
    ssl_certificate_key ${host.certificate_key};
%{endif~}
%{for line in compact(split("\n", host.config))~}
    ${line}
%{endfor~}
%{for location in host.location~}
    location ${location.path} {
%{if location.proxy_pass != null~}
      proxy_pass ${location.proxy_pass};
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
%{endif~}
%{if location.root != null~}
      root ${location.root};
%{endif~}
%{for line in compact(split("\n", location.config))~}
      ${line}
%{endfor~}
    }
%{endfor~}
  }
%{endfor~}
}
EOT
  }
}
