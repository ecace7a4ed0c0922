package modules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/internal/gitfetch"
	"sysc/internal/ocifetch"
	"sysc/lang/diag"
	"sysc/modules/lock"
	"sysc/modules/source"
	"sysc/store"
	"sysc/systems"
)

// An InputFetcher gets inputs into a store, whatever they are now; *source.Inputs is
// one. What it has got is there for builds.
type InputFetcher interface {
	// GitTags returns the tags that a repository has now.
	GitTags(ctx context.Context, r gitfetch.Remote) ([]gitfetch.Tag, error)
	// GitRef returns the commit that a ref leads to now, or fails with a
	// *gitfetch.RefError.
	GitRef(ctx context.Context, r gitfetch.Remote, ref string) (commit string, err error)
	// Commit gets a commit and returns the tree of its files.
	Commit(ctx context.Context, s builtin.CommitSource) (store.Digest, error)
	// ImageTags returns the tags that a repository of images has now.
	ImageTags(ctx context.Context, r ocifetch.Reference) ([]string, error)
	// ImageDigest returns the digest of what a reference leads to now.
	ImageDigest(ctx context.Context, r ocifetch.Reference) (ocifetch.Digest, error)
	// Image gets an image for a platform and returns its root.
	Image(ctx context.Context, s builtin.ImageSource) (store.Digest, error)
	// File gets a file and returns its hash and size.
	File(ctx context.Context, s builtin.FileSource) (store.Digest, int64, error)
	OwnFileOpener
}

// fetched keeps the locked state of an input of another type than "debian", or fetches
// what it is now.
func (l *locker) fetched(ctx context.Context, w *work, in *input, update bool) (diag.List, error) {
	old, locked := l.p.lock.Inputs[in.name]
	platforms, diags := w.platforms(in)
	if diags.HasErrors() {
		return diags, nil
	}
	same := locked && old.Settings == in.digest
	missing := slices.ContainsFunc(platforms, func(platform string) bool { return old.Pin.Roots[platform].IsZero() })
	if same && !missing && !update {
		l.put(in.name, old)
		return diags, nil
	}
	switch {
	case l.opts.check && same:
		return append(diags, diag.Errorf(in.at, "Lock entry out of date", "sysc.lock does not have all platforms of input %q.", in.name)...), nil
	case l.opts.check:
		return append(diags, checkInput(l.p.lock, in.name, in.digest, in.at)...), nil
	case l.opts.Inputs == nil:
		return append(diags, diag.Errorf(in.at, "Input cannot be fetched", "Nothing can be fetched here.")...), nil
	}
	l.opts.Progress("input", in.name)
	var known lock.Pin
	if same {
		known = old.Pin
	}
	pin, more, err := l.pin(ctx, in, known, platforms, update)
	diags = append(diags, more...)
	if err != nil {
		return diags, fmt.Errorf("lock input %q (%s): %w", in.name, position(in.at), err)
	}
	if !diags.HasErrors() {
		l.put(in.name, lock.Input{Type: in.fetched.kind, Settings: in.digest, Pin: pin})
	}
	return diags, nil
}

// platforms are those for which an image is needed: those of the systems and derivations
// whose base it is, and that of builds. Other inputs are the same for all.
func (w *work) platforms(in *input) ([]string, diag.List) {
	if in.fetched.kind != lock.TypeOCI {
		return nil, nil
	}
	var diags diag.List
	all := map[string]bool{}
	for _, b := range w.blocks {
		if b.kind == systems.Home {
			continue // has no base
		}
		s, _ := w.open(b.name)
		if base, _ := s.base(); inputName(w.module, base) != in.name {
			continue
		}
		platform, more := w.platform(b)
		diags = append(diags, more...)
		if platform != "" {
			all[platform] = true
		}
	}
	for _, m := range w.modules() {
		for _, label := range labels(m.Definition.Inputs) {
			if inputName(m, label) != in.name {
				continue
			}
			for _, platform := range m.Platforms(label) {
				all[platform] = true
			}
		}
	}
	if len(all) == 0 || w.builds() {
		all[w.p.opts.Platform] = true
	}
	return sortedKeys(all), diags
}

// pin fetches an input. known is its locked state, if that is still what the settings
// ask for.
func (l *locker) pin(ctx context.Context, in *input, known lock.Pin, platforms []string, update bool) (lock.Pin, diag.List, error) {
	switch in.fetched.kind {
	case lock.TypeOCI:
		return l.pinImage(ctx, in, known, platforms, update)
	case lock.TypeGit:
		return l.pinCommit(ctx, in, known)
	}
	s := in.fetched.fileSource(lock.Pin{})
	var pin lock.Pin
	var err error
	pin.SHA256, pin.Size, err = l.opts.Inputs.File(ctx, s)
	return pin, nil, err
}

func (l *locker) pinCommit(ctx context.Context, in *input, known lock.Pin) (lock.Pin, diag.List, error) {
	pin, diags, err := l.chooseCommit(ctx, in)
	if err != nil || diags.HasErrors() {
		return pin, diags, err
	}
	if pin.Commit == known.Commit {
		pin.Tree = known.Tree
		return pin, diags, nil
	}
	pin.Tree, err = l.opts.Inputs.Commit(ctx, in.fetched.commitSource(pin))
	if missing, ok := errors.AsType[*gitfetch.MissingError](err); ok && pin.Ref == "" {
		return pin, diag.Errorf(in.fetched.choice, "No such commit", "%s.", capital(missing.Error())), nil
	}
	return pin, diags, err
}

// chooseCommit finds the commit that is wanted now.
func (l *locker) chooseCommit(ctx context.Context, in *input) (lock.Pin, diag.List, error) {
	f := in.fetched
	if f.constraint != nil {
		tags, err := l.opts.Inputs.GitTags(ctx, f.remote)
		if err != nil {
			return lock.Pin{}, nil, err
		}
		v, diags := f.newest(tags)
		return lock.Pin{Version: v.String(), Ref: v.Tag.Name, Commit: v.Tag.Commit}, diags, nil
	}
	if gitfetch.CheckCommit(f.ref) == nil {
		return lock.Pin{Commit: f.ref}, nil, nil
	}
	pin := lock.Pin{Ref: cmp.Or(f.ref, "HEAD")}
	var err error
	pin.Commit, err = l.opts.Inputs.GitRef(ctx, f.remote, pin.Ref)
	if _, ok := errors.AsType[*gitfetch.RefError](err); ok {
		return pin, diag.Errorf(f.choice, "No such branch or tag", "%s has no branch or tag %q.", f.remote, pin.Ref), nil
	}
	return pin, nil, err
}

// newest chooses among tags that are versions.
func (f *fetchedInput) newest(tags []gitfetch.Tag) (source.Version, diag.List) {
	versions := source.Versions(tags)
	v, ok := source.Choose(versions, []source.Constraint{*f.constraint})
	if ok {
		return v, nil
	}
	there := " It has no tags that are versions, such as v1.2.0."
	if len(versions) > 0 {
		there = " It has " + versionsText(versions) + "."
	}
	return v, diag.Errorf(f.choice, "No such version", "No version of %s is %q.%s", cmp.Or(f.image.Repository(), f.remote.String()), f.constraint, there)
}

// pinImage finds out what an image is now, and gets it for all platforms. What is locked
// stays when it only lacks platforms; those that nobody needs here may be somebody
// else's.
func (l *locker) pinImage(ctx context.Context, in *input, known lock.Pin, platforms []string, update bool) (lock.Pin, diag.List, error) {
	pin := known
	if update || known.Digest.IsZero() {
		var diags diag.List
		var err error
		if pin, diags, err = l.chooseImage(ctx, in); err != nil || diags.HasErrors() {
			return pin, diags, err
		}
	}
	pin.Roots = map[string]store.Digest{}
	if pin.Digest == known.Digest {
		maps.Copy(pin.Roots, known.Roots)
	}
	all := append(sortedKeys(known.Roots), platforms...)
	slices.Sort(all)
	for _, platform := range slices.Compact(all) {
		if !pin.Roots[platform].IsZero() {
			continue
		}
		root, err := l.opts.Inputs.Image(ctx, in.fetched.imageSource(pin, platform))
		missing, ok := errors.AsType[*ocifetch.PlatformError](err)
		switch {
		case ok && slices.Contains(platforms, platform):
			return pin, diag.Errorf(in.at, "Image for other platforms", "%s.", capital(missing.Error())), nil
		case ok:
			continue // somebody else's, and gone
		case err != nil:
			return pin, nil, err
		}
		pin.Roots[platform] = root
	}
	return pin, nil, nil
}

// chooseImage finds the image that is wanted now.
func (l *locker) chooseImage(ctx context.Context, in *input) (lock.Pin, diag.List, error) {
	f := in.fetched
	var pin lock.Pin
	r := f.image
	switch {
	case r.HasDigest():
		pin.Digest = store.Digest(r.Digest)
		return pin, nil, nil
	case f.constraint != nil:
		names, err := l.opts.Inputs.ImageTags(ctx, r)
		if err != nil {
			return pin, nil, err
		}
		var tags []gitfetch.Tag
		for _, name := range names {
			tags = append(tags, gitfetch.Tag{Name: name})
		}
		v, diags := f.newest(tags)
		if diags.HasErrors() {
			return pin, diags, nil
		}
		pin.Version, pin.Ref = v.String(), v.Tag.Name
	default:
		pin.Ref = cmp.Or(f.ref, "latest")
	}
	r.Tag = pin.Ref
	digest, err := l.opts.Inputs.ImageDigest(ctx, r)
	pin.Digest = store.Digest(digest)
	if _, ok := errors.AsType[*ocifetch.MissingError](err); ok {
		return pin, diag.Errorf(f.choice, "No such image", "The registry has no image %s.", r), nil
	}
	return pin, nil, err
}

// LockedInputs returns where a store has the inputs that are fetched as a whole, by
// the paths, with the texts that the lock file has for them.
func (p *Project) LockedInputs() map[store.Path]string {
	out := map[store.Path]string{}
	for _, m := range p.work.modules() {
		for _, label := range labels(m.Definition.Inputs) {
			in, _ := p.anyInput(m, label, diag.Range{})
			if in == nil || in.fetched == nil {
				continue
			}
			maps.Copy(out, in.lockedPaths(p.lock.Inputs[in.name].Pin))
		}
	}
	return out
}

func (in *input) lockedPaths(pin lock.Pin) map[store.Path]string {
	platforms := []string{""}
	if in.fetched.kind == lock.TypeOCI {
		platforms = sortedKeys(pin.Roots)
	}
	out := map[store.Path]string{}
	for _, platform := range platforms {
		d, _, diags := in.derivation(pin, platform)
		if diags.HasErrors() {
			continue
		}
		if path, ok := derivations.FixedPath(&d); ok {
			out[path] = d.Fixed.Digest.String()
		}
	}
	return out
}

// pinName is what people call the state of an input that is fetched as a whole: a tag or
// branch, and the beginning of a commit or digest.
func pinName(pin lock.Pin) string {
	const digits = 12
	id := pin.ID()
	id = id[strings.IndexByte(id, ':')+1:]
	if pin.Ref == "" {
		return id[:digits]
	}
	return pin.Ref + " (" + id[:digits] + ")"
}
