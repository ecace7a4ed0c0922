package modules

import "testing"

// TestJSONConfig defines the same options in both syntaxes.
func TestJSONConfig(t *testing.T) {
	const native = `
option "web" {
  option "enable" {
    type    = bool
    default = false
  }
  option "site" {
    labels = ["name"]
    option "root" {
      type    = path
      default = "/var/www/${self.name}"
    }
    option "ports" {
      type = list(between(1, 99))
    }
  }
  option "env" {
    type = map(string)
  }
}
option "hosts" {
  type = list(object({ name = string, ip = optional(string, "::1") }))
}
option "any" {
  type = any
}
config {
  web {
    enable = true
    site "a.org" {
      ports = after([1])
    }
    site "b.org" {
      when  = !config.web.enable
      ports = [2]
    }
    site "c.org" {
      root = "/c"
    }
  }
  dynamic "web" {
    for_each = ["d", "e"]
    iterator = it
    content {
      dynamic "site" {
        for_each = [it.value]
        labels   = ["${site.value}.org"]
        content {
          ports = [7]
        }
      }
    }
  }
}
config {
  when = config.web.enable
  web {
    env {
      A = force("\"a\"")
    }
    env = {
      A = "lost"
      B = "b"
    }
    site "a.org" {
      ports = [3, 4]
    }
  }
  hosts = [{ name = "x" }, { name = "y", ip = "::2" }]
  any   = { a = [1, { b = null }] }
}
`
	const json = `{
  "option": {
    "web": {
      "option": {
        "enable": { "type": "bool", "default": false },
        "site": {
          "labels": ["name"],
          "option": [
            { "root": { "type": "path", "default": "/var/www/${self.name}" } },
            { "ports": { "type": "list(between(1, 99))" } }
          ]
        },
        "env": { "type": "map(string)" }
      }
    },
    "hosts": { "type": "list(object({ name = string, ip = optional(string, \"::1\") }))" },
    "any": { "type": "any" }
  },
  "config": [
    {
      "//": "the first",
      "dynamic": {
        "web": {
          "for_each": ["d", "e"],
          "iterator": "it",
          "content": {
            "dynamic": [{ "site": { "for_each": ["${it.value}"], "labels": ["${site.value}.org"], "content": { "ports": [7] } } }]
          }
        }
      },
      "web": {
        "enable": true,
        "//": "comments stand everywhere",
        "site": {
          "a.org": { "ports": "${after([1])}", "//": "and here" },
          "b.org": { "when": "${!config.web.enable}", "ports": [2] },
          "c.org": { "root": "/c" }
        }
      }
    },
    {
      "when": "${config.web.enable}",
      "web": {
        "env": { "A": "${force(\"\\\"a\\\"\")}", "B": "b" },
        "site": [{ "when": "${!config.web.enable}", "f.org": {} }, { "a.org": [{ "ports": [3] }, { "ports": [4] }] }]
      },
      "hosts": [{ "name": "x" }, { "name": "y", "ip": "::2" }],
      "any": { "a": [1, { "b": null }] }
    }
  ]
}`
	for _, path := range []string{"web", "web.site.a|org.ports", "hosts", "any"} {
		var results []string
		for name, text := range map[string]string{"x.sysc.hcl": native, "x.sysc.json": json} {
			e, diags := evaluate(t, map[string]string{name: text})
			if diags.HasErrors() {
				t.Fatal(diags.Err())
			}
			got, diags := e.read(path)
			if diags.HasErrors() {
				t.Fatalf("%s of %s: %v", path, name, diags.Err())
			}
			results = append(results, got)
		}
		if results[0] != results[1] {
			t.Errorf("%s is\n%s\nin one syntax, and\n%s\nin the other", path, results[0], results[1])
		}
	}
}
