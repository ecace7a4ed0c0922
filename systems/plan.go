package systems

import "sysc/store"

// An Action is what happens to one thing.
type Action string

// The actions; a plan shows them as Terraform does: "+", "~", "-".
const (
	Add    Action = "add"
	Change Action = "change"
	Remove Action = "remove"
)

// Symbol returns the sign that stands for the action.
func (a Action) Symbol() string {
	switch a {
	case Add:
		return "+"
	case Change:
		return "~"
	case Remove:
		return "-"
	}
	return "?"
}

// A Plan is what differs between two systems, sorted; nothing that is equal is
// in it. It is plain data, and its JSON is what commands print.
type Plan struct {
	// Kind is that of the new system.
	Kind Kind `json:"kind,omitempty"`
	// Hostname is nil when it stays.
	Hostname    *ValueChange    `json:"hostname,omitempty"`
	Packages    []PackageChange `json:"packages,omitempty"`
	Files       []FileChange    `json:"files,omitempty"`
	Directories []EntryChange   `json:"directories,omitempty"`
	Symlinks    []EntryChange   `json:"symlinks,omitempty"`
	Users       []EntryChange   `json:"users,omitempty"`
	Groups      []EntryChange   `json:"groups,omitempty"`
	Units       []UnitChange    `json:"units,omitempty"`
	// HealthChecks are those that the machine is asked from then on.
	HealthChecks []EntryChange `json:"health_checks,omitempty"`
	// Kernel, Initrd and KernelParams are nil when they stay, or when the new
	// system is not built, so that they are not known.
	Kernel       *ValueChange `json:"kernel,omitempty"`
	Initrd       *ValueChange `json:"initrd,omitempty"`
	KernelParams *ValueChange `json:"kernel_params,omitempty"`
	// BootLimit and BootTries are nil when they stay.
	BootLimit *ValueChange `json:"boot_limit,omitempty"`
	BootTries *ValueChange `json:"boot_tries,omitempty"`
	// Root is set when the file systems differ, nil when either is not known. A
	// change of the root that no declaration or package explains is still one.
	Root *ValueChange `json:"root,omitempty"`
	// Unchanged counts what is in both systems and the same.
	Unchanged Unchanged `json:"unchanged"`
	// Built is set when the new system is built, so that all of this is known.
	Built bool `json:"built"`
	// First is set when there is no old system.
	First bool `json:"first,omitempty"`
	// Reboot says why the change needs a reboot to be complete; empty when nothing
	// that is known needs one.
	Reboot []string `json:"reboot,omitempty"`
}

// A ValueChange is a change of something that has one value.
type ValueChange struct {
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// A PackageChange is a package that comes, goes, or gets another version.
type PackageChange struct {
	Action       Action `json:"action"`
	Name         string `json:"name"`
	Architecture string `json:"architecture"`
	Old          string `json:"old,omitempty"` // version
	New          string `json:"new,omitempty"`
	// Downgrade is set when New is older than Old.
	Downgrade bool `json:"downgrade,omitempty"`
	// Explicit is set when the definition names the package.
	Explicit bool `json:"explicit,omitempty"`
	// Replaced is set when the new one is a file that the definition names, in place
	// of the archive's.
	Replaced bool `json:"replaced,omitempty"`
}

// An EntryChange is a change of something that has a name and a few properties.
type EntryChange struct {
	Action Action `json:"action"`
	// Name is the path, or the account's name.
	Name     string `json:"name"`
	Position string `json:"position,omitempty"`
	// Details are what it is, for an addition, or what changes, as in
	// "mode 0644 → 0600".
	Details []string `json:"details,omitempty"`
}

// A FileChange is a change of a declared file.
type FileChange struct {
	EntryChange
	Old store.Digest `json:"old,omitzero"`
	New store.Digest `json:"new,omitzero"`
	// Pending is set when the new contents are known after the build only.
	Pending bool `json:"pending,omitempty"`
	// Diff has the lines of a unified diff without file names. It is empty for
	// contents that are no text, too large, or not at hand; Details says so.
	Diff []string `json:"diff,omitempty"`
}

// What happens to a unit when the machine runs.
const (
	Start   = "start"
	Stop    = "stop"
	Restart = "restart"
	Nothing = "none"
)

// A UnitChange is a change of a declared unit, or of what it uses.
type UnitChange struct {
	EntryChange
	// Do is what activation on a running machine does with it: [Start], [Stop],
	// [Restart] or [Nothing].
	Do string `json:"do"`
	// Diff is as in [FileChange].
	Diff []string `json:"diff,omitempty"`
}

// Empty reports whether nothing changes.
func (p *Plan) Empty() bool {
	return p.Hostname == nil && len(p.Packages) == 0 && len(p.Files) == 0 && len(p.Directories) == 0 &&
		len(p.Symlinks) == 0 && len(p.Users) == 0 && len(p.Groups) == 0 && len(p.Units) == 0 && len(p.HealthChecks) == 0 &&
		p.Kernel == nil && p.Initrd == nil && p.KernelParams == nil && p.BootLimit == nil && p.BootTries == nil && p.Root == nil
}

// Counts says how many of each kind are added, changed and removed.
type Counts struct {
	Packages     Count `json:"packages"`
	Files        Count `json:"files"`
	Directories  Count `json:"directories"`
	Symlinks     Count `json:"symlinks"`
	Users        Count `json:"users"`
	Groups       Count `json:"groups"`
	Units        Count `json:"units"`
	HealthChecks Count `json:"health_checks"`
}

// Unchanged says how many of each kind stay as they are.
type Unchanged struct {
	Packages     int `json:"packages"`
	Files        int `json:"files"`
	Directories  int `json:"directories"`
	Symlinks     int `json:"symlinks"`
	Users        int `json:"users"`
	Groups       int `json:"groups"`
	Units        int `json:"units"`
	HealthChecks int `json:"health_checks"`
}

// unchanged counts what a system has that no change is about.
func (c Counts) unchanged(new *Manifest) Unchanged {
	rest := func(all int, c Count) int { return all - c.Add - c.Change }
	return Unchanged{
		Packages:     rest(len(new.Packages), c.Packages),
		Files:        rest(len(new.Files), c.Files),
		Directories:  rest(len(new.Directories), c.Directories),
		Symlinks:     rest(len(new.Symlinks), c.Symlinks),
		Users:        rest(len(new.Users), c.Users),
		Groups:       rest(len(new.Groups), c.Groups),
		Units:        rest(len(new.Units), c.Units),
		HealthChecks: rest(len(new.HealthChecks), c.HealthChecks),
	}
}

// A Count counts actions.
type Count struct {
	Add    int `json:"add"`
	Change int `json:"change"`
	Remove int `json:"remove"`
}

func (c *Count) count(a Action) {
	switch a {
	case Add:
		c.Add++
	case Change:
		c.Change++
	case Remove:
		c.Remove++
	}
}

// Counts counts what p has.
func (p *Plan) Counts() Counts {
	var c Counts
	for _, x := range p.Packages {
		c.Packages.count(x.Action)
	}
	for _, x := range p.Files {
		c.Files.count(x.Action)
	}
	for _, x := range p.Units {
		c.Units.count(x.Action)
	}
	for _, group := range []struct {
		into *Count
		list []EntryChange
	}{{&c.Directories, p.Directories}, {&c.Symlinks, p.Symlinks}, {&c.Users, p.Users}, {&c.Groups, p.Groups}, {&c.HealthChecks, p.HealthChecks}} {
		for _, x := range group.list {
			group.into.count(x.Action)
		}
	}
	return c
}
