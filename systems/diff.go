package systems

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sysc/store"
	"sysc/systems/fstab"
)

// DiffOptions are what a comparison may use. Nil means none of it.
type DiffOptions struct {
	// Contents returns the bytes that a digest names, of either system, or false
	// when they are not at hand or too large to show. Nil has none: no file's
	// lines are compared.
	Contents func(d store.Digest) ([]byte, bool)
	// CompareVersions orders package versions. Nil takes every change of a
	// version for an upgrade.
	CompareVersions func(a, b string) int
}

// Diff compares two systems. old is nil when there is none yet. new may come from
// [MakeManifest], in which case what is only known after a build is left out or
// marked as pending.
func Diff(old, new *Manifest, opts *DiffOptions) *Plan {
	d := differ{kind: new.Kind}
	if opts != nil {
		d.DiffOptions = *opts
	}
	first := old == nil
	if first {
		old = &Manifest{}
	}
	p := &Plan{
		Kind:        new.Kind,
		First:       first,
		Built:       !new.Root.Tree.IsZero(),
		Hostname:    valueChange(old.Hostname, new.Hostname),
		Packages:    d.packages(old.Packages, new.Packages),
		Files:       d.files(old.Files, new.Files),
		Directories: compareLists(old.Directories, new.Directories, d.directoryTraits),
		Symlinks:    compareLists(old.Symlinks, new.Symlinks, d.symlinkTraits),
		Users:       compareLists(old.Users, new.Users, userTraits),
		Groups:      compareLists(old.Groups, new.Groups, groupTraits),
	}
	p.Units = d.units(old, new, p.Files)
	p.HealthChecks = compareLists(old.HealthChecks, new.HealthChecks, healthTraits)
	p.KernelParams = valueChange(strings.Join(old.KernelParams, " "), strings.Join(new.KernelParams, " "))
	p.BootLimit = valueChange(describeNumber(old.Boot.Limit, "all"), describeNumber(new.Boot.Limit, "all"))
	p.BootTries = valueChange(describeNumber(old.Boot.Tries, "not counted"), describeNumber(new.Boot.Tries, "not counted"))
	if p.Built {
		built(p, old, new)
	}
	p.Reboot = reboot(p)
	p.Unchanged = p.Counts().unchanged(new)
	return p
}

// built compares what is known of systems that are built only.
func built(p *Plan, old, new *Manifest) {
	p.Root = valueChange(string(old.Root.Path), string(new.Root.Path))
	p.Kernel = valueChange(describeKernel(old.Kernel), describeKernel(new.Kernel))
	p.Initrd = valueChange(describeInitrd(old.Initrd), describeInitrd(new.Initrd))
}

func describeNumber(n int, zero string) string {
	if n == 0 {
		return zero
	}
	return strconv.Itoa(n)
}

func describeKernel(k *Kernel) string {
	if k == nil {
		return ""
	}
	return k.Version + " (" + k.Digest.Hex()[:12] + ")"
}

func describeInitrd(f *BootFile) string {
	if f == nil {
		return ""
	}
	return f.Digest.Hex()[:12]
}

func valueChange(old, new string) *ValueChange {
	if old == new {
		return nil
	}
	return &ValueChange{Old: old, New: new}
}

// reboot says why a change of a system that may be running needs a reboot.
func reboot(p *Plan) []string {
	if p.First {
		return nil
	}
	var why []string
	for _, c := range []struct {
		what   string
		change *ValueChange
	}{{"kernel", p.Kernel}, {"initrd", p.Initrd}, {"kernel command line", p.KernelParams}} {
		if c.change != nil {
			why = append(why, c.what+" changed")
		}
	}
	// Before the build a kernel is known by its package only.
	known := len(why) > 0
	for _, c := range p.Packages {
		if !known && strings.HasPrefix(c.Name, "linux-image-") {
			why = append(why, c.Name+" changes")
		}
	}
	// What is mounted is decided when the machine starts.
	if p.Kind == Machine && slices.ContainsFunc(p.Files, func(c FileChange) bool { return c.Name == fstab.Path }) {
		why = append(why, fstab.Path+" changed")
	}
	return why
}

type differ struct {
	DiffOptions
	kind Kind
}

func (d *differ) packages(old, new []Package) []PackageChange {
	var out []PackageChange
	key := func(p Package) string { return p.Name + ":" + p.Architecture }
	merge(old, new, key, func(o, n *Package) {
		switch {
		case o == nil:
			out = append(out, PackageChange{Action: Add, Name: n.Name, Architecture: n.Architecture, New: n.Version, Explicit: n.Explicit, Replaced: n.Replaced})
		case n == nil:
			out = append(out, PackageChange{Action: Remove, Name: o.Name, Architecture: o.Architecture, Old: o.Version, Explicit: o.Explicit})
		case o.Version != n.Version || o.Replaced != n.Replaced:
			down := d.CompareVersions != nil && d.CompareVersions(o.Version, n.Version) > 0
			out = append(out, PackageChange{Action: Change, Name: n.Name, Architecture: n.Architecture,
				Old: o.Version, New: n.Version, Downgrade: down, Explicit: n.Explicit, Replaced: n.Replaced})
		}
	})
	return out
}

func (d *differ) files(old, new []DeclaredFile) []FileChange {
	var out []FileChange
	key := func(f DeclaredFile) string { return f.Path }
	merge(old, new, key, func(o, n *DeclaredFile) {
		var c FileChange
		switch {
		case o == nil:
			c = FileChange{EntryChange: EntryChange{Action: Add, Name: d.kind.Shown(n.Path), Position: n.Position, Details: d.entryTraits(n.DeclaredEntry).values()}, New: n.Digest}
		case n == nil:
			c = FileChange{EntryChange: EntryChange{Action: Remove, Name: d.kind.Shown(o.Path)}, Old: o.Digest}
		default:
			details := changes(d.entryTraits(o.DeclaredEntry), d.entryTraits(n.DeclaredEntry))
			if o.Digest == n.Digest && len(details) == 0 {
				return
			}
			c = FileChange{EntryChange: EntryChange{Action: Change, Name: d.kind.Shown(n.Path), Position: n.Position, Details: details}, Old: o.Digest, New: n.Digest}
		}
		if n != nil && n.Digest.IsZero() {
			c.Pending = true
			c.Details = append(c.Details, "contents known after build")
		} else {
			var note string
			if c.Diff, note = d.text(c.Old, c.New); note != "" {
				c.Details = append(c.Details, note)
			}
		}
		out = append(out, c)
	})
	return out
}

// merge calls fn for every key of two sorted lists, with nil for a list that
// does not have it.
func merge[T any](old, new []T, key func(T) string, fn func(o, n *T)) {
	i, j := 0, 0
	for i < len(old) || j < len(new) {
		switch {
		case j == len(new) || i < len(old) && key(old[i]) < key(new[j]):
			fn(&old[i], nil)
			i++
		case i == len(old) || key(new[j]) < key(old[i]):
			fn(nil, &new[j])
			j++
		default:
			fn(&old[i], &new[j])
			i, j = i+1, j+1
		}
	}
}

// A trait is one property as a plan shows it.
type trait struct{ name, value string }

type traits []trait

// values returns "name value" of all that have one.
func (t traits) values() []string {
	var out []string
	for _, x := range t {
		if x.value != "" {
			out = append(out, x.name+" "+x.value)
		}
	}
	return out
}

// changes returns "name old → new" of all that differ. Both have the same names.
func changes(old, new traits) []string {
	var out []string
	for i := range old {
		if old[i].value != new[i].value {
			out = append(out, fmt.Sprintf("%s %s → %s", old[i].name, orNone(old[i].value), orNone(new[i].value)))
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// compareLists compares lists that are sorted by what describe returns first.
func compareLists[T any](old, new []T, describe func(T) (name, position string, t traits)) []EntryChange {
	var out []EntryChange
	key := func(x T) string { name, _, _ := describe(x); return name }
	merge(old, new, key, func(o, n *T) {
		switch {
		case o == nil:
			name, position, t := describe(*n)
			out = append(out, EntryChange{Action: Add, Name: name, Position: position, Details: t.values()})
		case n == nil:
			name, _, _ := describe(*o)
			out = append(out, EntryChange{Action: Remove, Name: name})
		default:
			_, _, before := describe(*o)
			name, position, after := describe(*n)
			if details := changes(before, after); len(details) > 0 {
				out = append(out, EntryChange{Action: Change, Name: name, Position: position, Details: details})
			}
		}
	})
	return out
}

// entryTraits are those of a file or directory. In a home all owners are the same.
func (d *differ) entryTraits(e DeclaredEntry) traits {
	if d.kind == Home {
		return traits{{"mode", fmt.Sprintf("%04o", e.Mode)}}
	}
	return traits{{"mode", fmt.Sprintf("%04o", e.Mode)}, {"owner", e.User + ":" + e.Group}}
}

func (d *differ) directoryTraits(e DeclaredEntry) (string, string, traits) {
	return d.kind.Shown(e.Path), e.Position, d.entryTraits(e)
}

func (d *differ) symlinkTraits(l Symlink) (string, string, traits) {
	return d.kind.Shown(l.Path), l.Position, traits{{"to", l.Target}}
}

func userTraits(u User) (string, string, traits) {
	return u.Name, u.Position, traits{
		{"uid", fmt.Sprint(u.UID)}, {"group", u.Group}, {"groups", sortedList(u.Groups)},
		{"description", u.Description}, {"home", u.Home}, {"shell", u.Shell},
	}
}

func groupTraits(g Group) (string, string, traits) {
	return g.Name, g.Position, traits{{"gid", fmt.Sprint(g.GID)}, {"members", sortedList(g.Members)}}
}

func sortedList(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), ",") }
