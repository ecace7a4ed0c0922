package modules

import "testing"

const dynamicModule = `
option "site" {
  labels = ["name"]
  option "port" {
    type    = port
    default = 80
  }
  option "kind" {
    type    = string
    default = "plain"
  }
  option "alias" {
    labels = ["from", "to"]
    option "code" {
      type    = number
      default = 301
    }
    option "of" {
      type    = string
      default = parent.name
    }
  }
}
option "wanted" {
  type    = map(number)
  default = { a = 1, b = 2 }
}
option "limits" {
  type = map(string)
}
option "log" {
  option "level" {
    type    = string
    default = "info"
  }
  option "targets" {
    type = list(string)
  }
}
config {
  dynamic "site" {
    for_each = config.wanted
    labels   = [site.key]
    content {
      port = default(8000 + site.value)
      kind = self.name
      dynamic "alias" {
        for_each = [site.key, "y"]
        iterator = it
        labels   = ["from-${it.value}", "${site.key}${it.key}"]
        content {
          code = 300 + it.key
        }
      }
    }
  }
  site "a" {
    port = 1
  }
  dynamic "site" {
    for_each = ["c", "d"]
    labels   = [site.value]
    content {
      when = site.value == "c"
    }
  }
  dynamic "limits" {
    for_each = { x = 1 }
    iterator = limit
    content {
      fixed = "once"
    }
  }
}
`

// TestDynamic reads what dynamic blocks make, with conditions, priorities, labels
// and further dynamic blocks in them. The last one, which is wrong, is in nobody's
// way.
func TestDynamic(t *testing.T) {
	text := dynamicModule + `
config {
  dynamic "log" {
    for_each = ["one", "two"]
    content {
      targets = [log.value]
    }
  }
  dynamic "log" {
    for_each = option.site.is_defined ? ["it"] : []
    content {
      level = "debug"
    }
  }
  dynamic "file" {
    for_each = [no.such.name]
    labels   = ["/x"]
    content {}
  }
}
`
	for path, want := range map[string]string{
		"site.a.port":            "1",
		"site.b.port":            "8002",
		"site.b.kind":            `"b"`,
		"site.b.alias.from-b.b0": `{"code":300,"from":"from-b","of":"b","to":"b0"}`,
		"site.a.alias.from-y":    `{"a1":{"code":301,"from":"from-y","of":"a","to":"a1"}}`,
		"site.c.port":            "80",
		"site.d.port":            "error",
		"limits":                 `{"fixed":"once"}`,
		"log.targets":            `["one","two"]`,
		"log.level":              `"debug"`,
		"file":                   "error",
	} {
		e, diags := evaluate(t, map[string]string{"main.sysc.hcl": text})
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		got, diags := e.read(path)
		if got != want {
			t.Errorf("%s is %s, want %s (%v)", path, got, want, diags.Err())
		}
	}
}
