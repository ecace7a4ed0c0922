package lang

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sysc/derivations"
	"sysc/lang/diag"
)

func TestLimits(t *testing.T) {
	const text = `
input "debian" {
  type = "debian"
}
derivation "lib" {
  script  = ":"
  outputs = ["out", "dev"]
}
derivation "app" {
  script                = ":"
  outputs               = ["out", "doc"]
  allowed_references    = [for p in [derivation.lib.out] : p]
  allowed_requisites    = []
  disallowed_references = ["doc", derivation.lib.dev]
  max_size              = "500M"
  max_closure_size      = 3e9
  timeout               = "1h30m"
  max_silence           = "90s"
  max_log               = "64MiB"
}
derivation "none" {
  script                = ":"
  timeout               = null
  allowed_references    = null
  disallowed_requisites = []
}
`
	m, g := evaluated(t, map[string][]byte{"main.sysc.hcl": []byte(text)})
	lib, _ := m.Derivation("lib", diag.Range{})
	app, _ := m.Derivation("app", diag.Range{})
	none, _ := m.Derivation("none", diag.Range{})
	out, _ := g.Placeholder(derivations.Ref{Derivation: lib.Hash, Output: "out"})
	dev, _ := g.Placeholder(derivations.Ref{Derivation: lib.Hash, Output: "dev"})
	got, _ := g.Derivation(app.Hash)
	want := derivations.Limits{
		References: &[]string{out}, Requisites: &[]string{}, DisallowedReferences: []string{dev, "doc"}, DisallowedRequisites: []string{},
		MaxSize: 500 << 20, MaxClosureSize: 3_000_000_000,
	}
	if diff := cmp.Diff(want, got.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	wantRun := derivations.RunLimits{Timeout: 90 * time.Minute, Silence: 90 * time.Second, Log: 64 << 20}
	if got.RunLimits != wantRun {
		t.Errorf("limits of the run: got %+v, want %+v", got.RunLimits, wantRun)
	}
	if got, _ := g.Derivation(none.Hash); !got.Limits.IsZero() || got.RunLimits != (derivations.RunLimits{}) {
		t.Errorf("limits that are not set: %+v", got.Limits)
	}
}
