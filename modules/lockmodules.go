package modules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sysc/internal/gitfetch"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/modules/lock"
	"sysc/modules/source"
	"sysc/store"
)

const (
	// maxRounds bounds how often locking one version may bring up wants of others.
	maxRounds = 100
	// maxPackages bounds the repositories and archives that a definition has.
	maxPackages = 1000
	// maxChoices bounds how often the version of one package is chosen anew.
	maxChoices = 10
)

// A want is one module block that asks for a package.
type want struct {
	*remote
	// by is the block's path of names.
	by string
}

// modules chooses what modules are pinned to, in l.file.Modules, and makes all of
// them available.
func (l *locker) modules(ctx context.Context) (diag.List, error) {
	state := map[string]lock.Module{}
	for key, m := range l.p.lock.Modules {
		state[key] = m
	}
	chosen := map[string]int{}
	for range maxRounds {
		wants, diags := l.wants(state)
		if len(wants) > maxPackages {
			diags = append(diags, diag.Errorf(diag.Range{}, "Too many modules", "The definition takes modules from more than %d repositories and archives.", maxPackages)...)
		}
		if diags.HasErrors() {
			return diags, nil
		}
		changed := false
		for _, key := range sortedKeys(wants) {
			more, done, err := l.settle(ctx, key, wants[key], state, chosen)
			diags = append(diags, more...)
			if err != nil {
				return diags, err
			}
			changed = changed || done
		}
		if diags.HasErrors() {
			return diags, nil
		}
		if !changed {
			for key := range state {
				// What an override stands in for may need more than the override.
				if _, wanted := wants[key]; !wanted && len(l.p.overrides) == 0 {
					delete(state, key)
				}
			}
			if len(state) > 0 {
				l.file.Modules = state
			}
			return diags, nil
		}
	}
	return diag.Errorf(diag.Range{}, "Versions do not settle", "The versions of modules that were chosen bring up others again and again. Pin some of them with ?ref= or a version."), nil
}

// settle keeps what a package is pinned to, or pins it anew. done tells whether
// another look at what modules want is needed.
func (l *locker) settle(ctx context.Context, key string, wants []want, state map[string]lock.Module, chosen map[string]int) (diags diag.List, done bool, err error) {
	pkg := wants[0].source.Package
	old, locked := state[key]
	fits := locked && !slices.ContainsFunc(wants, func(w want) bool { return !w.fits(old) })
	update := chosen[key] == 0 && (l.opts.UpdateAll || slices.ContainsFunc(wants, l.updates))
	constraint := constraintText(wants)
	if l.opts.check {
		switch {
		case !locked:
			return diag.Errorf(wants[0].at(), missingLock, "sysc.lock has no module %s yet.", key), false, nil
		case !fits || old.Constraint != constraint:
			return diag.Errorf(wants[0].at(), "Lock entry out of date", "sysc.lock has %s of %s for %q, and %q is asked for.", describePin(old), key, old.Constraint, constraint), false, nil
		}
		return nil, false, nil
	}
	if l.opts.Modules == nil {
		if fits && l.p.trees[old.Tree] != "" {
			return nil, false, nil
		}
		return diag.Errorf(wants[0].use.SourceRange, "Module cannot be fetched", "Nothing can be fetched here."), false, nil
	}
	if fits && !update {
		old.Constraint = constraint
		state[key] = old
		if l.p.trees[old.Tree] != "" {
			return nil, false, nil
		}
		l.opts.Progress("module", pkg.String())
		dir, err := l.opts.Modules.Get(ctx, pkg, pinOf(old))
		if err != nil {
			return nil, false, l.failed(wants[0], err)
		}
		l.keep(old.Tree, dir)
		return nil, true, nil
	}
	if chosen[key]++; chosen[key] > maxChoices {
		return conflict(key, wants, ""), false, nil
	}
	l.opts.Progress("versions", pkg.String())
	pin, diags, err := l.choose(ctx, key, pkg, wants)
	if err != nil {
		return nil, false, l.failed(wants[0], err)
	}
	if diags.HasErrors() {
		return diags, false, nil
	}
	if old.Ref == pin.Ref && old.Commit == pin.Commit && locked && pkg.IsGit() && l.p.trees[old.Tree] != "" {
		old.Constraint = constraint
		state[key] = old
		return nil, false, nil
	}
	l.opts.Progress("module", pkg.String())
	got, dir, err := l.opts.Modules.Fetch(ctx, pkg, pin)
	if err != nil {
		return nil, false, l.failed(wants[0], err)
	}
	state[key] = lock.Module{Constraint: constraint, Version: got.Version, Ref: got.Ref, Commit: got.Commit, Tree: got.Tree}
	l.keep(got.Tree, dir)
	return nil, true, nil
}

// keep keeps where a package is.
func (l *locker) keep(tree store.Digest, dir string) {
	if l.p.trees == nil {
		l.p.trees = map[store.Digest]string{}
	}
	l.p.trees[tree] = dir
}

func (l *locker) failed(w want, err error) error {
	return fmt.Errorf("lock module %q (%s): %w", w.by, position(w.use.SourceRange), err)
}

// updates reports whether a want is to be moved forward.
func (l *locker) updates(w want) bool {
	return slices.ContainsFunc(l.opts.Update, func(name string) bool {
		return name == w.by || name == "module."+w.by || name == w.key
	})
}

// constraintText is all that is asked for, as the lock file has it.
func constraintText(wants []want) string {
	var texts []string
	for _, w := range wants {
		if text := w.remote.wants(); text != "" {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}

// choose asks a repository for its versions and takes the one that all wants
// allow.
func (l *locker) choose(ctx context.Context, key string, pkg source.Package, wants []want) (source.Pin, diag.List, error) {
	if !pkg.IsGit() {
		return source.Pin{}, nil, nil
	}
	var constraints []source.Constraint
	ref := ""
	for _, w := range wants {
		switch {
		case w.constraint != nil:
			constraints = append(constraints, *w.constraint)
		case w.source.Ref != "" && ref != "" && w.source.Ref != ref:
			return source.Pin{}, conflict(key, wants, ""), nil
		case w.source.Ref != "":
			ref = w.source.Ref
		}
	}
	if ref != "" {
		return l.chooseRef(ctx, key, pkg, wants, ref, constraints)
	}
	tags, err := l.opts.Modules.Tags(ctx, pkg)
	if err != nil {
		return source.Pin{}, nil, err
	}
	if err := moved(pkg, l.p.lock.Modules[key], tags); err != nil {
		return source.Pin{}, nil, err
	}
	versions := source.Versions(tags)
	v, ok := source.Choose(versions, constraints)
	switch {
	case ok:
		return source.Pin{Version: v.String(), Ref: v.Tag.Name, Commit: v.Tag.Commit}, nil, nil
	case len(constraints) > 0:
		return source.Pin{}, conflict(key, wants, versionsText(versions)), nil
	case len(versions) > 0:
		return source.Pin{}, diag.Errorf(wants[0].at(), "No version without asking for it",
			"%s has pre-releases only: %s. Ask for one of them with version.", key, versionsText(versions)), nil
	}
	const head = "HEAD"
	commit, err := l.opts.Modules.Resolve(ctx, pkg, head)
	return source.Pin{Ref: head, Commit: commit}, nil, err
}

// chooseRef takes what a source names itself. A tag that is a version counts as
// one beside the constraints of others.
func (l *locker) chooseRef(ctx context.Context, key string, pkg source.Package, wants []want, ref string, constraints []source.Constraint) (source.Pin, diag.List, error) {
	v, isVersion := source.ParseVersion(gitfetch.Tag{Name: ref})
	for _, c := range constraints {
		if !isVersion || !c.Allows(v) {
			return source.Pin{}, conflict(key, wants, ""), nil
		}
	}
	if gitfetch.CheckCommit(ref) == nil {
		return source.Pin{Commit: ref}, nil, nil
	}
	commit, err := l.opts.Modules.Resolve(ctx, pkg, ref)
	var missing *gitfetch.RefError
	if errors.As(err, &missing) {
		at := wants[slices.IndexFunc(wants, func(w want) bool { return w.source.Ref == ref })]
		return source.Pin{}, diag.Errorf(at.use.SourceRange, "No such branch or tag", "%s has no branch or tag %q.", key, ref), nil
	}
	if err != nil {
		return source.Pin{}, nil, err
	}
	pin := source.Pin{Ref: ref, Commit: commit}
	if isVersion {
		pin.Version = v.String()
		return pin, nil, moved(pkg, l.p.lock.Modules[key], []gitfetch.Tag{{Name: ref, Commit: commit}})
	}
	return pin, nil, nil
}

// moved reports that the tag of a locked version leads to another commit now.
func moved(pkg source.Package, locked lock.Module, tags []gitfetch.Tag) error {
	if locked.Version == "" {
		return nil
	}
	for _, tag := range tags {
		if tag.Name == locked.Ref && tag.Commit != locked.Commit {
			return &source.MovedError{Package: pkg, Ref: locked.Ref, Locked: locked.Commit, Now: tag.Commit}
		}
	}
	return nil
}

func versionsText(versions []source.Version) string {
	const most = 12
	var names []string
	for i, v := range versions {
		if i == most {
			names = append(names, fmt.Sprintf("and %d older ones", len(versions)-most))
			break
		}
		names = append(names, v.String())
	}
	return strings.Join(names, ", ")
}

// conflict says who wants what of a package of which there is no version for
// all. versions are those that there are, "" when these do not matter.
func conflict(key string, wants []want, versions string) diag.List {
	asking := slices.DeleteFunc(slices.Clone(wants), func(w want) bool { return w.remote.wants() == "" })
	// Those that a user can change come first.
	slices.SortStableFunc(asking, func(a, b want) int { return strings.Count(a.by, ".") - strings.Count(b.by, ".") })
	detail := ""
	for _, w := range asking {
		detail += fmt.Sprintf("\n  module.%s wants %s (%s)", w.by, w.remote.wants(), w.at())
	}
	there := ""
	switch {
	case versions != "":
		there = " It has " + versions + "."
	case len(asking) == 1:
		there = " It has no tags that are versions, such as v1.2.0."
	}
	if len(asking) == 1 {
		return diag.Errorf(asking[0].at(), "No such version", "No version of %s is %q.%s", key, asking[0].remote.wants(), there)
	}
	d := diag.New(diag.Error, asking[0].at(), "Conflict of versions", "%s", "No version of "+key+" is right for all that use it:"+detail+
		"\nA definition has one version of a source."+there+" Change one of the constraints, or say separate = true where another version shall be beside the common one.")
	for _, w := range asking[1:] {
		d.Related = append(d.Related, diag.Related{Message: "module." + w.by + " wants " + w.remote.wants(), Range: w.at()})
	}
	return diag.List{d}
}

// wants collects what module blocks ask for, in all modules that can be reached
// with what is there, by the lock file's names for packages.
func (l *locker) wants(state map[string]lock.Module) (map[string][]want, diag.List) {
	s := &surveyor{l: l, state: state, seen: map[place]bool{}, wants: map[string][]want{}}
	s.module(l.p.place, l.p.def, "", 0)
	return s.wants, s.diags.Sort()
}

// A surveyor looks for wants.
type surveyor struct {
	l     *locker
	state map[string]lock.Module
	seen  map[place]bool
	wants map[string][]want
	diags diag.List
}

// module looks at one module's blocks. Each place is looked at once, whoever uses
// it, unless an override may change what is behind it.
func (s *surveyor) module(at place, def *lang.Definition, name string, depth int) {
	if s.seen[at] && !s.overridden(name) || depth > maxUseDepth {
		return
	}
	s.seen[at] = true
	for _, use := range def.Uses {
		by := strings.TrimPrefix(name+"."+use.Name, ".")
		to, ok := s.find(at, use, by)
		if !ok {
			continue
		}
		inner, diags := s.l.p.definition(to, use)
		s.diags = append(s.diags, diags...)
		if inner != nil {
			s.module(to, inner, by, depth+1)
		}
	}
}

func (s *surveyor) overridden(name string) bool {
	for other := range s.l.p.overrides {
		if strings.HasPrefix(other, name+".") {
			return true
		}
	}
	return false
}

// find notes what a block wants; ok is false when there is nothing there yet.
func (s *surveyor) find(at place, use *lang.Use, by string) (to place, ok bool) {
	if to, ok := s.l.p.overrides[by]; ok {
		return to, true
	}
	var diags diag.List
	if isLocal(use.Source) {
		to, diags = at.local(use)
		s.diags = append(s.diags, diags...)
		return to, !diags.HasErrors()
	}
	r, diags := newRemote(use)
	s.diags = append(s.diags, diags...)
	if r == nil {
		return to, false
	}
	s.wants[r.key] = append(s.wants[r.key], want{r, by})
	locked, known := s.state[r.key]
	if !known || !r.fits(locked) || s.l.p.trees[locked.Tree] == "" {
		return to, false
	}
	to, diags = s.l.p.fetched(r, locked)
	s.diags = append(s.diags, diags...)
	return to, !diags.HasErrors()
}
