package modules

import "testing"

const renamedOut = `
option "web.port" {
  type    = port
  default = 80
}
option "web.names" {
  type = list(string)
}
option "site" {
  labels = ["name"]
  option "port" {
    renamed_to = "web.port"
  }
  option "aliases" {
    renamed_to = "web.names"
  }
  option "root" {
    type    = string
    default = "${self.name} at ${self.port}"
  }
  option "path" {
    labels = ["at"]
    option "names" {
      renamed_to = "web.names"
    }
    option "owner" {
      renamed_to = "site.user"
    }
  }
  option "user" {
    type    = string
    default = "nobody"
  }
}
config {
  site "a" {
    port    = 8080
    aliases = ["a"]
  }
  site "b" {
    aliases = after(["last"])
    path "/x" {
      names = ["x"]
      owner = "ada"
    }
    path "/y" {
      when  = false
      names = ["y"]
    }
  }
  site "c" {
    when    = false
    port    = 1
    aliases = ["c"]
  }
  site "d" {
    port    = 2
    aliases = ["d"]
  }
  site = remove(["d"])
  web {
    names = ["z"]
  }
}
`

// TestRenamedOut reads options that have left a labelled one: all instances that
// there are define the new one, and each of them can be asked for it.
func TestRenamedOut(t *testing.T) {
	for path, want := range map[string]string{
		"web.port":             "8080",
		"web.names":            `["a","x","z","last"]`,
		"site.a.port":          "8080",
		"site.b.port":          "8080",
		"site.b.root":          `"b at 8080"`,
		"site.b.path./x.names": `["a","x","z","last"]`,
		"site.b.user":          `"ada"`,
		"site.a.user":          `"nobody"`,
	} {
		e, diags := evaluate(t, map[string]string{"main.sysc.hcl": renamedOut})
		if diags.HasErrors() {
			t.Fatal(diags.Err())
		}
		got, diags := e.read(path)
		if got != want {
			t.Errorf("%s is %s, want %s (%v)", path, got, want, diags.Err())
		}
	}
	// A list that depends on what instances there are has no value.
	e, _ := evaluate(t, map[string]string{"main.sysc.hcl": renamedOut + "config {\n  site = { for n in config.web.names : n => {} }\n}\n"})
	if got, _ := e.read("web.names"); got != "error" {
		t.Errorf("a cycle is %s", got)
	}
}
