package savedplan

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sysc/store"
)

func sample() *Plan {
	object := func(c string) store.Path { return store.Path(strings.Repeat(c, 32) + "-system-laptop") }
	return &Plan{
		System: "laptop", Derivation: strings.Repeat("3f", 32), Output: "out", Object: object("1"),
		Lock: store.DigestOf([]byte("lock")), Directory: "/home/ada/machines", Machine: "/tmp/machine",
		Current: 41, CurrentSystem: object("0"),
		Variables: map[string]json.RawMessage{"port": json.RawMessage(`8080`), "names": json.RawMessage(`["a"]`)},
		Secret:    []string{"password"}, Overrides: []string{"module.web=/home/ada/web"}, Sysc: "0.1.0",
	}
}

// TestGolden: the bytes of version 1 stay what they are.
func TestGolden(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/plan.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(data)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	back, err := Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range back.Variables { // white space in them does not matter
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		if back.Variables[name], err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(sample(), back); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestRefused: each thing that cannot be in a file is an error.
func TestRefused(t *testing.T) {
	good, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"another format":      {`"sysc-plan"`, `"terraform"`},
		"no system":           {`"laptop"`, `""`},
		"a system with lines": {`"laptop"`, `"a\nb"`},
		"half a hash":         {strings.Repeat("3f", 32), "3f"},
		"an object elsewhere": {strings.Repeat("1", 32) + "-", "../" + strings.Repeat("1", 32) + "-"},
		"a relative machine":  {`"/tmp/machine"`, `"machine"`},
		"an unclean machine":  {`"/tmp/machine"`, `"/tmp/../machine"`},
		"a machine with NUL":  {`"/tmp/machine"`, `"/tmp/\u0000machine"`},
		"no generation":       {`"current": 41`, `"current": 0`},
		"a negative one":      {`"current": 41`, `"current": -1`},
		"a field more":        {`"output"`, `"more": 1, "output"`},
		"a lock of no digest": {sample().Lock.String(), "sha256:xyz"},
		"a word for a list": {`[
    "password"
  ]`, `"password"`},
		"a text for values": {`"variables": {`, `"variables": "x", "v": {`},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) {
			t.Errorf("%s: nothing was replaced", what)
		}
		if p, err := Parse([]byte(bad)); !errors.Is(err, ErrNotPlan) {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
	later := strings.Replace(string(good), `"version": 1`, `"version": 2`, 1)
	if _, err := Parse([]byte(later)); err == nil || errors.Is(err, ErrNotPlan) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("another version: %v", err)
	}
	for _, more := range []string{"x", "{}"} {
		if _, err := Parse(append(good, more...)); !errors.Is(err, ErrNotPlan) {
			t.Errorf("%s behind it: %v", more, err)
		}
	}
	if _, err := Parse(append([]byte(strings.Repeat(" ", MaxSize)), good...)); !errors.Is(err, ErrNotPlan) {
		t.Errorf("too long: %v", err)
	}
}

// FuzzParse: what is read can be written, and reads as the same.
func FuzzParse(f *testing.F) {
	good, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":"sysc-plan","version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		again, err := p.Encode()
		if err != nil {
			return // white space in values made it longer than may be
		}
		q, err := Parse(again)
		if err != nil {
			t.Fatalf("%v in\n%s", err, again)
		}
		twice, err := q.Encode()
		if err != nil || string(twice) != string(again) {
			t.Errorf("%v:\n%s\nbut before\n%s", err, twice, again)
		}
	})
}
