package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sysc/modules"
	"sysc/store"
	"sysc/store/localstore"
	"sysc/systems"
	"sysc/systems/activate"
)

// A homeTarget is the home directory that a run is about.
type homeTarget struct {
	// name is that of the home which the user has named, "" for whichever is there.
	name string
	// dir is the home directory, and state where its user's programs keep their state.
	dir, state string
	// elsewhere is set when it is not the home directory of who is running this.
	elsewhere bool
	backup    bool
}

// backupFlag adds --backup to a verb that changes a home.
func (a *app) backupFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.backup, "backup", false, "keep what stands in the way of a home as NAME.sysc-backup, in place of refusing")
}

// userName is what the user is called, "" when that is not known.
func (a *app) userName() string {
	u, err := user.Current()
	if err != nil {
		return a.getenv("USER")
	}
	return u.Username
}

// aimHome makes the run one about the home directory that --root names, or the user's
// own.
func (a *app) aimHome(name string) error {
	h := &homeTarget{name: name, dir: a.root, elsewhere: a.root != ""}
	if h.elsewhere {
		dir, err := filepath.Abs(a.root)
		if err != nil {
			return err
		}
		h.dir, h.state = dir, filepath.Join(dir, ".local", "state")
		a.home = h
		return nil
	}
	if h.dir = a.getenv("HOME"); !filepath.IsAbs(h.dir) {
		return errors.New("find the home directory: $HOME is not set; name a directory with --root DIR")
	}
	h.dir = filepath.Clean(h.dir)
	if h.state = a.getenv("XDG_STATE_HOME"); !filepath.IsAbs(h.state) {
		h.state = filepath.Join(h.dir, ".local", "state")
	}
	a.home = h
	return nil
}

// aim makes the run one about what a target is for.
func (a *app) aim(target *modules.Target) error {
	if target.System.Kind == systems.Home {
		return a.aimHome("")
	}
	return nil
}

// place is the directory that the run is about: the machine's, or the home directory.
func (a *app) place() (string, error) {
	if a.home != nil {
		return a.home.dir, nil
	}
	return a.machine()
}

// activation begins a request to make a target current.
func (a *app) activation(target *modules.Target) (activate.Request, error) {
	if err := a.aim(target); err != nil {
		return activate.Request{}, err
	}
	return a.request()
}

// request begins a request about the machine or home of this run.
func (a *app) request() (activate.Request, error) {
	machine, err := a.machine()
	if err != nil {
		return activate.Request{}, err
	}
	req := activate.Request{Root: machine, Now: time.Now(), Wait: a.waitFor("the machine " + machine)}
	if a.home == nil {
		req.Booted, req.Machine = a.booted(machine), a.bootsHere()
	}
	if h := a.home; h != nil {
		req.Home, req.MakeHome, req.Backup = h.dir, h.elsewhere, a.backup
		req.Wait = a.waitFor("the home directory " + h.dir)
	}
	return req, nil
}

// homeArg takes "home" or "home.NAME" from the front of arguments: then the run is
// about a home.
func (a *app) homeArg(args []string) ([]string, error) {
	if len(args) == 0 || args[0] != "home" && !strings.HasPrefix(args[0], "home.") {
		return args, nil
	}
	if err := a.aimHome(strings.TrimPrefix(strings.TrimPrefix(args[0], "home"), ".")); err != nil {
		return nil, err
	}
	return args[1:], a.checkHomeName()
}

// homeNumbers is homeArg for verbs that take numbers as well, and at least one.
func (a *app) homeNumbers(cmd *cobra.Command, args []string) ([]string, error) {
	rest, err := a.homeArg(args)
	if err != nil {
		return nil, err
	}
	return rest, usageArgs(cobra.MinimumNArgs(1))(cmd, rest)
}

// onlyHome is homeArg for verbs that take nothing else.
func (a *app) onlyHome(args []string) error {
	rest, err := a.homeArg(args)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%s is no home: write home, or home.NAME; the machine is named with --root DIR", rest[0])
	}
	return err
}

// checkHomeName refuses a name that is not that of the home which is current.
func (a *app) checkHomeName() error {
	if a.home == nil || a.home.name == "" {
		return nil
	}
	current, err := a.currentGeneration()
	if err != nil {
		return err
	}
	if current.Name != a.home.name {
		return fmt.Errorf("what is current in %s is %s, and not home.%s; home alone is whichever there is", a.home.dir, current.Address(), a.home.name)
	}
	return nil
}

// A homeConflict is what stands in the way in a home, as plans show it.
type homeConflict struct {
	Path string `json:"path"`
	// What says what is there.
	What string `json:"what"`
	// Edited is set when it is what sysc put there, changed by hand.
	Edited bool `json:"edited,omitempty"`
	// Diff leads from what is there to what the definition says.
	Diff []string `json:"diff,omitempty"`
	text string
}

// findConflicts returns what stands in the way of a home that is planned.
func (a *app) findConflicts(ctx context.Context, st *localstore.Store, m *systems.Manifest, known systems.Contents) ([]homeConflict, error) {
	if m.Kind != systems.Home {
		return nil, nil
	}
	req, err := a.request()
	if err != nil {
		return nil, err
	}
	found, err := activate.FindConflicts(req, m)
	if err != nil {
		return nil, err
	}
	var out []homeConflict
	for _, c := range found {
		shown := homeConflict{Path: systems.Home.Shown(c.Path), What: c.What, Edited: c.Edited, text: c.String()}
		contents := func(d store.Digest) ([]byte, bool) {
			if d == c.Have {
				return readThere(c.In, c.Place, d)
			}
			return contentsOf(ctx, st, known)(d)
		}
		if !c.Have.IsZero() && !c.Want.IsZero() {
			shown.Diff, _ = systems.TextDiff(c.Have, c.Want, contents)
		}
		out = append(out, shown)
	}
	return out, nil
}

// printConflicts shows what stands in the way.
func (a *app) printConflicts(list []homeConflict) {
	if len(list) == 0 {
		return
	}
	what := "In the way, so that switch refuses:"
	if a.backup {
		what = "In the way, and kept under another name:"
	}
	fmt.Fprintf(a.out, "\n%s\n", what)
	for _, c := range list {
		fmt.Fprintf(a.out, "  ! %s\n", printableLine(c.text))
		for i, line := range c.Diff {
			if i > 0 || line[0] != '@' {
				fmt.Fprintf(a.out, "      %s %s\n", line[:1], printableLine(line[1:]))
			}
		}
	}
}
