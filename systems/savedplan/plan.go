// Package savedplan is the file in which a plan waits to be carried out: what was
// to be built, for which machine, and what everything was when it was made. It has
// no changes in it: they are found again, and are the same as long as what the file
// says still holds.
//
// The format is in docs/formats-plan.md. A file may come from a stranger: [Parse]
// checks all of it.
package savedplan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"sysc/store"
	"sysc/systems"
	"sysc/systems/generation"
)

const (
	// Format is what the field of that name says in every version, and Version what
	// this package writes and reads.
	Format  = "sysc-plan"
	Version = 1
	// MaxSize bounds a file, in bytes.
	MaxSize = 1 << 20
)

// A Plan is a saved plan.
type Plan struct {
	// System is the system's name, and Kind says whether it is one or a home.
	System string       `json:"system"`
	Kind   systems.Kind `json:"kind,omitempty"`
	// Derivation is the hash of what is built, 64 hexadecimal digits, and Output the
	// output of it that is the system. They stand for everything that the definition
	// and the lock file say of the system.
	Derivation string `json:"derivation"`
	Output     string `json:"output"`
	// Object is the system's object, if it was known when the plan was made.
	Object store.Path `json:"object,omitempty"`
	// Lock is the digest of the lock file, zero for none.
	Lock store.Digest `json:"lock,omitzero"`
	// Directory is where the definition was, and Machine the root of the machine, or the
	// home directory, both absolute.
	Directory string `json:"directory"`
	Machine   string `json:"machine"`
	// Current is the generation that was current, 0 for none, and CurrentSystem its
	// system.
	Current       generation.Number `json:"current,omitempty"`
	CurrentSystem store.Path        `json:"current_system,omitempty"`
	// Variables are the values that were given, but for those of sensitive variables,
	// whose names are in Secret.
	Variables map[string]json.RawMessage `json:"variables,omitempty"`
	Secret    []string                   `json:"secret,omitempty"`
	// Overrides are the modules that were replaced, as module.NAME=DIR.
	Overrides []string `json:"overrides,omitempty"`
	// Sysc is the version that made the plan.
	Sysc string `json:"sysc,omitempty"`
}

type file struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Plan
}

// Encode returns the contents of a file.
func (p *Plan) Encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(file{Format, Version, *p}); err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	if b.Len() > MaxSize {
		return nil, fmt.Errorf("encode plan: it has more than %d bytes; give large values of variables in files of the definition", MaxSize)
	}
	return b.Bytes(), nil
}

// ErrNotPlan is returned, wrapped, for a text that is no saved plan of any version.
var ErrNotPlan = errors.New("not a saved plan")

// Parse reads the contents of a file.
func Parse(data []byte) (*Plan, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrNotPlan, MaxSize)
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	switch err := json.Unmarshal(data, &head); {
	case err != nil:
		return nil, fmt.Errorf("%w: %v", ErrNotPlan, err)
	case head.Format != Format:
		return nil, fmt.Errorf("%w: its format is %q", ErrNotPlan, head.Format)
	case head.Version != Version:
		return nil, fmt.Errorf("it is a saved plan of version %d, and this sysc reads version %d: make it again", head.Version, Version)
	}
	var f file
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotPlan, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows it", ErrNotPlan)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotPlan, err)
	}
	return &f.Plan, nil
}

// check demands of each field what [Plan] says.
func (p *Plan) check() error {
	if _, err := store.ParseDerivationHash(p.Derivation); err != nil {
		return err
	}
	if p.Output == "" || p.System == "" {
		return errors.New("no system, or no output")
	}
	if p.Kind != systems.Machine && p.Kind != systems.Home {
		return fmt.Errorf("unknown kind %q", p.Kind)
	}
	for name, text := range map[string]string{"system": p.System, "output": p.Output, "sysc": p.Sysc} {
		if !printable(text) {
			return fmt.Errorf("%s %q is no name", name, text)
		}
	}
	for name, dir := range map[string]string{"directory": p.Directory, "machine": p.Machine} {
		if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || strings.ContainsRune(dir, 0) {
			return fmt.Errorf("%s %q is not an absolute path", name, dir)
		}
	}
	for _, path := range []store.Path{p.Object, p.CurrentSystem} {
		if path == "" {
			continue
		}
		if _, err := store.ParsePath(string(path)); err != nil {
			return err
		}
	}
	if p.Current < 0 || (p.Current == 0) != (p.CurrentSystem == "") {
		return fmt.Errorf("generation %d of system %q", p.Current, p.CurrentSystem)
	}
	return nil
}

// Address is what messages call what is planned: system.laptop, home.anna.
func (p *Plan) Address() string { return p.Kind.Address(p.System) }

// printable reports whether a text has nothing in it that would move a cursor.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}
