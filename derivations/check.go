package derivations

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sysc/internal/shellword"
	"sysc/store"
)

// Builder names.
const (
	// BuilderExec runs a program in the sandbox.
	BuilderExec = "exec"
	// BuiltinPrefix begins the names of steps that sysc itself does.
	BuiltinPrefix = "builtin:"
)

// PlatformAny is the platform of a step whose result does not depend on where it
// runs.
const PlatformAny = "any"

// check reports why d is no derivation. What it accepts can be hashed and
// realised; whether inputs exist is another question.
func (d *Derivation) check() error {
	if err := d.checkOutputs(); err != nil {
		return err
	}
	system, arch, ok := strings.Cut(d.Platform, "/")
	if d.Platform != PlatformAny && (!ok || system == "" || arch == "" || strings.Contains(arch, "/")) {
		return fmt.Errorf("platform %q: want \"linux/amd64\" or the like, or %q", d.Platform, PlatformAny)
	}
	if err := d.Attrs.check(); err != nil {
		return err
	}
	if err := d.checkLimits(); err != nil {
		return err
	}
	if err := d.RunLimits.check(); err != nil {
		return err
	}
	for _, p := range d.Sources {
		if _, err := store.ParsePath(string(p)); err != nil {
			return err
		}
	}
	switch name, builtin := strings.CutPrefix(d.Builder, BuiltinPrefix); {
	case d.Builder == BuilderExec:
		return d.checkExec()
	case !builtin || name == "":
		return fmt.Errorf("builder %q: want %q or %q and a name", d.Builder, BuilderExec, BuiltinPrefix)
	case d.Args != nil || d.Env != nil || d.Root != "" || d.WritableRoot || d.RunLimits != RunLimits{}:
		return fmt.Errorf("builder %q takes attributes only, no arguments, environment, root or limits of a program", d.Builder)
	}
	return nil
}

func (d *Derivation) checkOutputs() error {
	outputs := d.OutputNames()
	if len(outputs) == 0 {
		return fmt.Errorf("no outputs")
	}
	var seen map[string]bool
	if len(outputs) > 1 {
		seen = make(map[string]bool)
	}
	for _, name := range outputs {
		if !shellword.IsName(name) {
			return fmt.Errorf("output %q: not letters, digits and _ only", name)
		}
		if seen[name] {
			return fmt.Errorf("output %q occurs twice", name)
		}
		if seen != nil {
			seen[name] = true
		}
		if err := store.CheckName(d.ObjectName(name)); err != nil {
			return err
		}
	}
	if d.Fixed == nil {
		return nil
	}
	switch {
	case len(outputs) != 1 || outputs[0] != DefaultOutput:
		return fmt.Errorf("a result known beforehand has one output, %q", DefaultOutput)
	case d.Fixed.Kind == store.KindRoot && d.Builder == BuilderExec:
		return fmt.Errorf("what a program makes is a file or a tree, if it is known beforehand, not a %v", d.Fixed.Kind)
	case d.Fixed.Kind != store.KindFile && d.Fixed.Kind != store.KindTree && d.Fixed.Kind != store.KindRoot:
		return fmt.Errorf("a result known beforehand is a file, a tree or a root, not a %v", d.Fixed.Kind)
	case d.Fixed.Digest.IsZero():
		return fmt.Errorf("a result known beforehand needs its digest")
	case d.Fixed.Kind != store.KindFile && (d.Fixed.Executable || d.Fixed.Size != 0):
		return fmt.Errorf("a %v known beforehand has neither a size nor an executable bit", d.Fixed.Kind)
	case d.Fixed.Size < 0:
		return fmt.Errorf("a size of %d bytes", d.Fixed.Size)
	}
	return nil
}

func (d *Derivation) checkEnv() error {
	if len(d.Env) == 0 {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(d.Env)) {
		switch {
		case !shellword.IsName(key):
			return fmt.Errorf("environment variable %q: not letters, digits and _ only", key)
		case slices.Contains(d.OutputNames(), key):
			return fmt.Errorf("environment variable %q: the output of that name is passed in it", key)
		case strings.IndexByte(d.Env[key], 0) >= 0:
			return fmt.Errorf("environment variable %q holds a NUL byte", key)
		}
	}
	return nil
}

func (d *Derivation) checkExec() error {
	if len(d.Args) == 0 || d.Args[0] == "" {
		return fmt.Errorf("no program to run")
	}
	for _, a := range d.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return fmt.Errorf("argument %q holds a NUL byte", a)
		}
	}
	if err := d.checkEnv(); err != nil {
		return err
	}
	if _, rest, err := store.ParseLogical(d.Root); err != nil || rest != "" {
		return fmt.Errorf("root %q: want the path of a store object", d.Root)
	}
	if d.WritableRoot && (d.Fixed != nil || len(d.OutputNames()) != 1 || d.OutputNames()[0] != DefaultOutput) {
		return fmt.Errorf("a step that changes its root has one output, %q, which is not known beforehand", DefaultOutput)
	}
	return nil
}
