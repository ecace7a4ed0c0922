package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sysc/derivations"
	"sysc/internal/atomicfile"
	"sysc/lang"
	"sysc/modules"
	"sysc/modules/lock"
	"sysc/store"
	"sysc/systems"
	"sysc/systems/activate"
	"sysc/systems/generation"
	"sysc/systems/savedplan"
)

// savePlan writes a plan to a file.
func (a *app) savePlan(path string, p *planned, def *modules.Answer) error {
	values, secret, diags := def.Given()
	if err := a.diagnose(diags, def.Files()); err != nil {
		return err
	}
	lockDigest, err := lockDigest(def.Dir())
	if err != nil {
		return err
	}
	state := activate.StateOf(p.current)
	saved := savedplan.Plan{
		System:     p.target.System.Name,
		Kind:       p.target.System.Kind,
		Derivation: p.target.Ref.Derivation.String(), Output: p.target.Ref.Output, Object: p.object,
		Lock: lockDigest, Current: state.Number, CurrentSystem: state.System,
		Variables: values, Secret: secret, Sysc: version,
	}
	if saved.Directory, err = filepath.Abs(def.Dir()); err != nil {
		return err
	}
	if saved.Machine, err = a.place(); err != nil {
		return err
	}
	for _, text := range a.overrides {
		name, dir, _ := strings.Cut(text, "=")
		if dir, err = filepath.Abs(dir); err != nil {
			return err
		}
		saved.Overrides = append(saved.Overrides, name+"="+dir)
	}
	data, err := saved.Encode()
	if err != nil {
		return err
	}
	if err := atomicfile.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	a.say("\nSaved the plan in %s. To do exactly this: sysc switch %s", path, path)
	if len(secret) > 0 {
		a.say("Values of sensitive variables are not in it, give them again: %s.", strings.Join(secret, ", "))
	}
	return nil
}

// lockDigest is the digest of the lock file in a directory, zero for none.
func lockDigest(dir string) (store.Digest, error) {
	_, data, err := lock.Read(nil, filepath.Join(dir, lock.FileName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return store.Digest{}, nil
	case err != nil:
		return store.Digest{}, err
	}
	return store.DigestOf(data), nil
}

// openPlan reads the plan that an argument of switch names; nil when it names a
// system or home.
func openPlan(arg string) (*savedplan.Plan, error) {
	if strings.HasPrefix(arg, "system.") || arg == "" {
		return nil, nil
	}
	isPath := strings.ContainsAny(arg, "/.") && !strings.HasPrefix(arg, "home.") // no system's name has those
	f, err := os.Open(arg)
	if err != nil && isPath {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		if isPath {
			return nil, fmt.Errorf("read plan %s: not a file", arg)
		}
		return nil, err // a directory beside a system of that name
	}
	data, err := io.ReadAll(io.LimitReader(f, savedplan.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	saved, err := savedplan.Parse(data)
	if errors.Is(err, savedplan.ErrNotPlan) && !isPath {
		return nil, nil // some file beside a system of that name
	}
	if err != nil {
		return nil, fmt.Errorf("read plan %s: %w", arg, err)
	}
	return saved, nil
}

// usePlan makes the run one on what a saved plan is about: its definition, machine
// and values, as far as flags do not say otherwise.
func (a *app) usePlan(cmd *cobra.Command, saved *savedplan.Plan, file string) error {
	if !cmd.Flags().Changed("directory") {
		a.dir = saved.Directory
	}
	if err := a.aimSaved(saved); err != nil {
		return err
	}
	given := saved.Variables
	if given == nil {
		given = map[string]json.RawMessage{} // null is no object
	}
	text, err := json.Marshal(given)
	if err != nil {
		return fmt.Errorf("read plan %s: %w", file, err)
	}
	values, diags := lang.ParseJSONVariables(text, file)
	if err := a.diagnose(diags, nil); err != nil {
		return err
	}
	a.saved = &savedValues{values: values, secret: saved.Secret}
	if len(a.overrides) == 0 {
		a.overrides = saved.Overrides
	}
	return nil
}

// aimSaved makes the run one about the machine or home directory of a saved plan.
func (a *app) aimSaved(saved *savedplan.Plan) error {
	home := saved.Kind == systems.Home
	if home {
		if err := a.aimHome(""); err != nil {
			return err
		}
	}
	if a.root == "" && (!home || a.home.dir != saved.Machine) {
		a.root = saved.Machine
		if home {
			return a.aimHome("")
		}
	}
	place, err := a.place()
	if err != nil {
		return err
	}
	if place != saved.Machine {
		return a.refused("the plan is for the %s %s, and --root says %s", placeOf(saved.Kind), saved.Machine, place)
	}
	return nil
}

// placeOf says what stands before the directory that something of a kind is for.
func placeOf(kind systems.Kind) string {
	if kind == systems.Home {
		return "home directory"
	}
	return "machine in"
}

// savedValues are those of a saved plan.
type savedValues struct {
	values map[string]lang.VariableValue
	secret []string // names of variables that have values, which are not here
}

// refused is why a saved plan is not carried out.
func (a *app) refused(format string, args ...any) error {
	return &exitCode{code: exitRefused, cause: fmt.Errorf("refused: "+format+". Nothing was changed; make the plan again: sysc plan --out FILE", args...)}
}

// checkSavedLock refuses a plan that another lock file was made for. It is looked at
// first, because another one leads to errors of all kinds.
func (a *app) checkSavedLock(saved *savedplan.Plan) error {
	digest, err := lockDigest(a.dir)
	if err != nil {
		return err
	}
	if digest != saved.Lock {
		return a.refused("%s has changed since the plan was made", filepath.Join(a.dir, lock.FileName))
	}
	return nil
}

// checkPlan refuses a plan when what it is about is something else now.
func (a *app) checkPlan(saved *savedplan.Plan, p *planned) error {
	ref := derivations.Ref{Derivation: p.target.Ref.Derivation, Output: p.target.Ref.Output}
	if ref.Derivation.String() != saved.Derivation || ref.Output != saved.Output {
		why := "the definition has changed since the plan was made"
		if saved.Sysc != version {
			why = fmt.Sprintf("the definition has changed since the plan was made, or means something else to this sysc (%s; the plan is by %s)", version, saved.Sysc)
		}
		return a.refused("%s: %s is derivation %s now, and was %s", why, saved.Address(), shortHash(ref.Derivation.String()), shortHash(saved.Derivation))
	}
	return a.checkState(saved, activate.StateOf(p.current))
}

func (a *app) checkState(saved *savedplan.Plan, have activate.State) error {
	want := activate.State{Number: saved.Current, System: saved.CurrentSystem}
	if have != want {
		return a.refused("the machine has changed since the plan was made: %w", &activate.ChangedError{Want: want, Have: have})
	}
	return nil
}

// checkObject refuses a plan whose system was built before it was made, and came
// out as another one now.
func (a *app) checkObject(saved *savedplan.Plan, built store.Path) error {
	if saved.Object != "" && built != saved.Object {
		return a.refused("the system was %s when the plan was made, and came out as %s when it was built again", saved.Object, built)
	}
	return nil
}

// switchSaved carries a saved plan out.
func (a *app) switchSaved(ctx context.Context, cmd *cobra.Command, saved *savedplan.Plan, file string, flags buildFlags) error {
	if err := a.usePlan(cmd, saved, file); err != nil {
		return err
	}
	if err := a.checkSavedLock(saved); err != nil {
		return err
	}
	a.say("Carrying out the plan for %s in %s, for the %s %s.", saved.Address(), a.dir, placeOf(saved.Kind), saved.Machine)
	return a.switchTo(ctx, saved.Address(), saved, generation.Always, flags)
}
