package modules

import (
	"slices"
	"strings"
	"time"

	"sysc/modules/lock"
	"sysc/systems/distro/debian"
)

// Changes are what [Project.Lock] did, sorted, to be printed.
type Changes struct {
	// Written is false when the lock file was right already.
	Written bool           `json:"written"`
	Modules []ModuleChange `json:"modules,omitempty"`
	Inputs  []InputChange  `json:"inputs,omitempty"`
	Roots   []RootChange   `json:"roots,omitempty"`
	IDs     []IDChange     `json:"ids,omitempty"`
}

// An InputChange is an input that is new, has moved, or is gone.
type InputChange struct {
	Name string `json:"name"`
	// Old and New are revisions, "" for none; the dates are when an archive of packages
	// was signed, and the names what people call the states of other inputs.
	Old     string    `json:"old,omitempty"`
	New     string    `json:"new,omitempty"`
	OldDate time.Time `json:"old_date,omitzero"`
	NewDate time.Time `json:"new_date,omitzero"`
	OldName string    `json:"old_name,omitempty"`
	NewName string    `json:"new_name,omitempty"`
}

// A ModuleChange is a package of modules that is new, has moved, or is gone.
type ModuleChange struct {
	// Name is the lock file's.
	Name string `json:"name"`
	// Old and New are versions, or what commits are called; "" for none.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
	// OldCommit and NewCommit are whole hashes, "" for none and for archives.
	OldCommit string `json:"old_commit,omitempty"`
	NewCommit string `json:"new_commit,omitempty"`
}

// A RootChange is what has changed in the packages of a system or derivation.
type RootChange struct {
	// Address is "system.NAME" or "derivation.NAME".
	Address string `json:"address"`
	// Architecture is the root's own.
	Architecture string `json:"architecture,omitempty"`
	// Total is the number of packages now, 0 for a root that is gone.
	Total   int              `json:"total"`
	Added   []debian.Package `json:"added,omitempty"`
	Removed []debian.Package `json:"removed,omitempty"`
	Changed []PackageChange  `json:"changed,omitempty"`
}

// A PackageChange is another version, or other contents, of one package.
type PackageChange struct {
	Old debian.Package `json:"old"`
	New debian.Package `json:"new"`
}

// An IDChange is a number given to an account.
type IDChange struct {
	Kind string `json:"kind"` // "user" or "group"
	Name string `json:"name"`
	ID   uint32 `json:"id"`
}

func compare(old, new *lock.File) *Changes {
	c := &Changes{}
	for _, name := range unionKeys(old.Inputs, new.Inputs) {
		was, wasThere := old.Inputs[name]
		is, isThere := new.Inputs[name]
		change := InputChange{Name: name}
		if wasThere {
			change.Old, change.OldDate, change.OldName = inputState(was)
		}
		if isThere {
			change.New, change.NewDate, change.NewName = inputState(is)
		}
		if change.Old != change.New {
			c.Inputs = append(c.Inputs, change)
		}
	}
	for _, key := range unionKeys(old.Modules, new.Modules) {
		was, wasThere := old.Modules[key]
		is, isThere := new.Modules[key]
		change := ModuleChange{Name: key, OldCommit: was.Commit, NewCommit: is.Commit}
		if wasThere {
			change.Old = shortPin(was)
		}
		if isThere {
			change.New = shortPin(is)
		}
		if change.Old != change.New || change.OldCommit != change.NewCommit {
			c.Modules = append(c.Modules, change)
		}
	}
	for _, address := range unionKeys(old.Resolutions, new.Resolutions) {
		change := comparePackages(old.Resolutions[address].List(), new.Resolutions[address].List())
		change.Address = address
		if now := new.Resolutions[address]; now != nil {
			change.Architecture = now.Request.Architecture
		}
		if len(change.Added)+len(change.Removed)+len(change.Changed) > 0 {
			c.Roots = append(c.Roots, change)
		}
	}
	for _, kind := range []struct {
		name     string
		old, new map[string]uint32
	}{{"user", old.Users, new.Users}, {"group", old.Groups, new.Groups}} {
		for _, name := range sortedKeys(kind.new) {
			if _, ok := kind.old[name]; !ok {
				c.IDs = append(c.IDs, IDChange{Kind: kind.name, Name: name, ID: kind.new[name]})
			}
		}
	}
	return c
}

// inputState is what a change tells of a state.
func inputState(in lock.Input) (id string, date time.Time, name string) {
	if in.Type == "debian" {
		return in.Revision.ID(), in.Revision.Date(), ""
	}
	return in.Pin.ID(), time.Time{}, pinName(in.Pin)
}

func unionKeys[V any](a, b map[string]V) []string {
	keys := append(sortedKeys(a), sortedKeys(b)...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// comparePackages compares two lists by name and architecture.
func comparePackages(old, new []debian.Package) RootChange {
	key := func(p debian.Package) string { return p.Name + ":" + p.Architecture }
	was := map[string]debian.Package{}
	for _, p := range old {
		was[key(p)] = p
	}
	c := RootChange{Total: len(new)}
	for _, p := range new {
		before, ok := was[key(p)]
		delete(was, key(p))
		switch {
		case !ok:
			c.Added = append(c.Added, p)
		case before.Version != p.Version || before.SHA256 != p.SHA256:
			c.Changed = append(c.Changed, PackageChange{Old: before, New: p})
		}
	}
	for _, k := range sortedKeys(was) {
		c.Removed = append(c.Removed, was[k])
	}
	byName := func(a, b debian.Package) int { return strings.Compare(key(a), key(b)) }
	slices.SortFunc(c.Added, byName)
	slices.SortFunc(c.Changed, func(a, b PackageChange) int { return byName(a.New, b.New) })
	return c
}
