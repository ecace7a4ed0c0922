package modules

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/modules/lock"
	"sysc/store"
	"sysc/systems/distro/debian"
	"sysc/systems/distro/debian/version"
)

// A RefusedError says that an update was not made, and why.
type RefusedError struct {
	// Address is that of a root whose packages would have changed.
	Address string
	Reason  string
}

// Error is the reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused: %s: %s. sysc.lock is as it was", e.Address, e.Reason)
}

// kept returns the locked packages of a root that have to stay as they are: those that
// are held, and with [LockOptions.Only] all others than these. What the
// definition chooses itself is what that says.
func (l *locker) kept(r *rootRequest, before *lock.Resolution) ([]debian.Package, error) {
	var keep []debian.Package
	for _, p := range before.List() {
		only := slices.Contains(l.opts.Only, p.Name)
		held := slices.IndexFunc(r.held, func(h wantedPackage) bool { return h.text == p.Name })
		switch {
		case held >= 0 && only:
			return nil, &RefusedError{r.address, fmt.Sprintf("%s is to move, and is held (%s)", p.Name, position(r.held[held].at))}
		case r.chooses(p):
		case held >= 0 || len(l.opts.Only) > 0 && !only:
			keep = append(keep, p)
		}
	}
	return keep, nil
}

// chooses reports whether the definition says itself that another form of a package is
// taken.
func (r *rootRequest) chooses(p debian.Package) bool {
	chosen, ok := r.versions[p.Name]
	pin := debian.Pin{Version: chosen.version}
	return ok && !pin.Fits(p.Name, p.Version, "") || r.replaced[p.Name].file != nil && r.native(p)
}

// unknownPackages reports names of packages to move that nothing has.
func (l *locker) unknownPackages() diag.List {
	known := map[string]bool{}
	for _, r := range l.p.lock.Resolutions {
		for _, p := range r.Packages {
			known[p.Name] = true
		}
	}
	var diags diag.List
	for _, name := range l.opts.Only {
		if !known[name] {
			diags = append(diags, diag.Errorf(diag.Range{}, "Nothing to update", "No package %q is in sysc.lock.%s", name, diag.DidYouMean(name, sortedKeys(known)))...)
		}
	}
	return diags
}

// updatesInput reports whether an input is to move forward.
func (l *locker) updatesInput(in *input) bool {
	return l.opts.UpdateAll || slices.Contains(l.opts.Update, in.name) || in.name == in.label && slices.Contains(l.opts.Update, "input."+in.label)
}

// moves reports whether packages of some inputs are to move forward, which they may even
// where the inputs' states are those that are locked: some may have stayed behind.
func (l *locker) moves(inputs []*input) bool { return slices.ContainsFunc(inputs, l.updatesInput) }

// putEarlier notes indexes of states of before that are needed still.
func (l *locker) putEarlier(earlier map[string][]debian.Index) {
	for name, indexes := range earlier {
		in := l.file.Inputs[name]
		for _, index := range indexes {
			if !slices.Contains(in.Revision.Earlier, index) {
				in.Revision.Earlier = append(in.Revision.Earlier, index)
			}
		}
		slices.SortFunc(in.Revision.Earlier, func(a, b debian.Index) int {
			return cmp.Or(strings.Compare(a.Path, b.Path), a.Date.Compare(b.Date), strings.Compare(a.Archive, b.Archive))
		})
		l.file.Inputs[name] = in
	}
}

// universe is what packages are chosen from when some stay as they are. Those may be
// gone from the archive, so they are also taken from the state that is locked.
func (l *locker) universe(ctx context.Context, inputs []*input, r *rootRequest, own []*debian.OwnFile, keep []debian.Package) (*debian.Universe, error) {
	if len(keep) == 0 {
		return l.universes.of(ctx, l.file, inputs, r, own)
	}
	parts, err := l.universes.parts(ctx, l.file, inputs, r)
	if err != nil {
		return nil, err
	}
	before, err := l.before.parts(ctx, l.p.lock, inputs, r)
	if err != nil {
		return nil, err
	}
	digests := map[store.Digest]bool{}
	for _, p := range keep {
		digests[p.SHA256] = true
	}
	for i := range parts {
		parts[i].Before, parts[i].Keep = before[i].Packages, digests
	}
	return debian.NewUniverse(r.arch, append(parts, ownParts(inputs, own)...)...)
}

// checkNewer refuses versions of packages that are lower than before although the same
// is asked for of later states.
func (l *locker) checkNewer(address string, before, now *lock.Resolution) error {
	if before == nil || l.opts.AllowDowngrade || !sameButStates(before.Request, now.Request) {
		return nil
	}
	for _, in := range append(slices.Clone(now.Request.With), lock.InputState{Input: now.Request.Input}) {
		if l.p.lock.Inputs[in.Input].Settings != l.file.Inputs[in.Input].Settings {
			return nil // it is the user who wants other archives
		}
	}
	var lower []string
	for _, change := range comparePackages(before.Packages, now.Packages).Changed {
		if version.Compare(change.New.Version, change.Old.Version) < 0 {
			lower = append(lower, fmt.Sprintf("%s %s → %s", change.New.Name, change.Old.Version, change.New.Version))
		}
	}
	if lower == nil {
		return nil
	}
	return &RefusedError{address, "packages would go back to lower versions: " + strings.Join(lower, ", ") +
		". The archive has the others no longer; sysc update --allow-downgrade takes what it has, and hold_packages keeps what is locked"}
}

// sameButStates reports whether two requests ask for the same of states of inputs.
func sameButStates(a, b lock.Request) bool {
	if len(a.With) != len(b.With) {
		return false
	}
	b.Revision, b.With = a.Revision, slices.Clone(b.With)
	for i := range b.With {
		b.With[i].Revision = a.With[i].Revision
	}
	return a.Equal(b)
}
