package modules

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/modules/lock"
	"sysc/systems"
	"sysc/systems/distro/debian"
)

// LockOptions say how a project is locked.
type LockOptions struct {
	// Fetcher returns what gets an input's files. It must be given.
	Fetcher func(debian.Settings) debian.Fetcher
	// Now is the time at which signatures have to be valid; zero means the clock's.
	Now time.Time
	// Update names the inputs and modules to move forward: "debian", "input.debian",
	// "module.web", "module.web.tls"; UpdateAll is all of them. Others stay as they
	// are locked.
	Update    []string
	UpdateAll bool
	// AllowDowngrade takes states of archives, and of packages, that are older than those
	// that are locked.
	AllowDowngrade bool
	// Only, if not empty, names packages: others stay in the versions that are locked.
	Only []string
	// Modules fetches modules; nil makes needing that an error.
	Modules ModuleFetcher
	// Inputs fetches inputs of other types than "debian"; nil makes needing that an error.
	Inputs InputFetcher
	// check makes what would have to be changed an error.
	check bool
	// Progress, if not nil, is told what begins: "versions" of a module's package are
	// asked for, "module": it is fetched, "update" of an input, "read" of its indexes,
	// "resolve" of a root's packages.
	Progress func(step, name string)
}

// Lock makes the lock file say what the definition needs: inputs that are not
// locked, or are to be updated, are asked for their present state; every
// system's and derivation's packages are resolved where the request or the input
// has changed; accounts get numbers. What nobody needs any more is left out. The
// file is replaced by one rename, and only when everything went well and
// something changed.
//
// The diagnostics are what is wrong with the definition, unknown and
// contradicting packages included. The error is what went wrong with the machine
// or an archive: it wraps those of package debian (*debian.SignatureError and so
// on), of package download and of the file system.
func (p *Project) Lock(ctx context.Context, opts LockOptions) (*Changes, diag.List, error) {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	if opts.Progress == nil {
		opts.Progress = func(string, string) {}
	}
	l := &locker{p: p, opts: opts, universes: newUniverses(opts.Fetcher, opts.Inputs, func(input string) { opts.Progress("read", input) }), resolved: map[string]*lock.Resolution{}}
	l.before = newUniverses(opts.Fetcher, nil, func(string) {})
	l.before.earlier = true
	l.file = &lock.File{Users: maps.Clone(p.lock.Users), Groups: maps.Clone(p.lock.Groups)}
	diags, err := l.run(ctx)
	if err != nil || diags.HasErrors() {
		return nil, diags.Sort(), err
	}
	changes := compare(p.lock, l.file)
	if opts.check {
		if same, err := l.same(); !same {
			diags = append(diags, diag.Errorf(diag.Range{}, "Lock file out of date", "sysc.lock has entries that nobody needs, lacks numbers of accounts, or is written otherwise. Run sysc lock.")...)
			return changes, diags.Sort(), err
		}
		return changes, diags.Sort(), nil
	}
	changes.Written, err = l.write()
	if err != nil {
		return nil, diags.Sort(), err
	}
	p.lock = l.file
	if changes.Written {
		more := p.readLock()
		diags = append(diags, more...)
	}
	p.work = p.newWork(p.lock, nil)
	return changes, diags.Sort(), nil
}

// CheckLock reports what [Project.Lock] would change, as errors, without the
// network and without writing anything. Overrides are an error: what they stand in
// for cannot be judged.
func (p *Project) CheckLock(ctx context.Context) (diag.List, error) {
	if len(p.overrides) > 0 {
		return diag.Errorf(diag.Range{}, "Overrides", "The lock file cannot be checked with modules that are overridden. Leave out --override."), nil
	}
	_, diags, err := p.Lock(ctx, LockOptions{check: true})
	return diags, err
}

// A locker is one run of Lock.
type locker struct {
	p    *Project
	opts LockOptions
	// file is what will be written.
	file      *lock.File
	universes universes
	// before are the packages of the states that are locked.
	before universes
	// foreign are architectures by input, see [locker.collect]; nil while they are not
	// known.
	foreign map[string][]string
	// resolved has the resolutions of this run by request.
	resolved map[string]*lock.Resolution
}

func (l *locker) run(ctx context.Context) (diag.List, error) {
	diags, err := l.modules(ctx)
	if err != nil || diags.HasErrors() {
		return diags, err
	}
	diags = append(diags, l.unknownUpdates()...)
	diags = append(diags, l.unknownPackages()...)
	// Arguments of inputs are static: any evaluation knows them.
	w := l.p.newWork(l.file, &pending{requests: map[string]rootRequest{}})
	diags = append(diags, w.diags...)
	if diags.HasErrors() {
		return diags, nil
	}
	more, err := l.inputs(ctx, w)
	if diags = append(diags, more...); err != nil || diags.HasErrors() {
		return diags, err
	}
	w, accounts, more, err := l.collect(ctx)
	if diags = append(diags, more...); err != nil || diags.HasErrors() {
		return diags, err
	}
	for _, address := range sortedKeys(w.pending.requests) {
		more, err := l.resolve(ctx, w, w.pending.requests[address])
		diags = append(diags, more...)
		if err != nil || ctx.Err() != nil {
			return diags, cmp.Or(err, ctx.Err())
		}
	}
	known := newIDs(l.file.Users, l.file.Groups)
	if err := known.allocate(accounts); err != nil {
		return diags, err
	}
	l.file.Users, l.file.Groups = orNil(known.users), orNil(known.groups)
	return diags, nil
}

// inputs locks all inputs.
func (l *locker) inputs(ctx context.Context, w *work) (diag.List, error) {
	var diags diag.List
	for _, m := range w.modules() {
		for _, label := range labels(m.Definition.Inputs) {
			more, err := l.input(ctx, w, m, label)
			diags = append(diags, more...)
			if err != nil || ctx.Err() != nil {
				return diags, cmp.Or(err, ctx.Err())
			}
		}
	}
	return diags, nil
}

// collect evaluates the definition with the inputs' new state, which expressions may
// read. Which architectures an input is needed for beside those of platforms is known
// from the packages that are asked for only; then the inputs are locked once more. That
// can lead to other packages, but hardly ever again.
func (l *locker) collect(ctx context.Context) (w *work, accounts []account, diags diag.List, err error) {
	const most = 4
	for range most {
		w = l.p.newWork(l.file, &pending{requests: map[string]rootRequest{}})
		if accounts, diags = w.collect(); diags.HasErrors() {
			return w, accounts, diags, nil
		}
		l.foreign = foreignArchitectures(w.pending.requests)
		before := l.revisions()
		if more, err := l.inputs(ctx, w); err != nil || more.HasErrors() {
			return w, accounts, append(diags, more...), err
		}
		if maps.Equal(before, l.revisions()) {
			return w, accounts, diags, nil
		}
	}
	return w, accounts, diags, errors.New("lock inputs: the packages that are asked for change with each state of the inputs")
}

// revisions are the ids of the inputs' states.
func (l *locker) revisions() map[string]string {
	ids := map[string]string{}
	for name, in := range l.file.Inputs {
		ids[name] = in.Revision.ID()
	}
	return ids
}

// foreignArchitectures are those that packages of inputs are asked for in, those of
// their roots included, by full names of inputs.
func foreignArchitectures(requests map[string]rootRequest) map[string][]string {
	out := map[string][]string{}
	for _, r := range requests {
		for _, ref := range r.inputs() {
			out[ref.name()] = append(append(out[ref.name()], r.foreign()...), r.arch)
		}
		for _, ref := range r.patchedInputs() {
			out[ref.name()] = append(out[ref.name()], debian.ArchitectureSource)
		}
	}
	for name := range out {
		slices.Sort(out[name])
		out[name] = slices.Compact(out[name])
	}
	return out
}

func orNil(m map[string]uint32) map[string]uint32 {
	if len(m) == 0 {
		return nil
	}
	return m
}

// unknownUpdates reports names to update that are neither inputs nor modules.
func (l *locker) unknownUpdates() diag.List {
	var diags diag.List
	if len(l.opts.Update) == 0 {
		return nil
	}
	w := l.p.newWork(l.file, &pending{requests: map[string]rootRequest{}})
	known := map[string]bool{}
	for _, n := range w.loader.nodesOf(w.modules()) {
		if n.parent != nil {
			known["module."+n.name()], known[n.name()] = true, true
		}
		for _, label := range labels(n.module.Definition.Inputs) {
			known[inputName(n.module, label)], known["input."+label] = true, n.parent == nil
		}
	}
	for key := range l.file.Modules {
		known[key] = true
	}
	for _, name := range l.opts.Update {
		if !known[name] {
			diags = append(diags, diag.Errorf(diag.Range{}, "Nothing to update", "There is no input or module %q.%s", name, diag.DidYouMean(name, sortedKeys(known)))...)
		}
	}
	return diags
}

// input keeps the locked state of an input, or asks the archive for its present
// one.
func (l *locker) input(ctx context.Context, w *work, m *lang.Module, label string) (diag.List, error) {
	name := inputName(m, label)
	in, diags := w.anyInput(m, label, diag.Range{})
	if in == nil {
		return diags, nil
	}
	update := l.updatesInput(in)
	_, done := l.file.Inputs[name] // in this run
	update = update && !done
	switch {
	case in.fetched != nil && done:
		return diags, nil
	case in.fetched != nil:
		more, err := l.fetched(ctx, w, in, update)
		return append(diags, more...), err
	}
	architectures, more := w.architectures()
	diags = append(diags, more...)
	if diags.HasErrors() {
		return diags, nil
	}
	platforms := architectures
	old, locked := l.p.lock.Inputs[name]
	if done {
		old, locked = l.file.Inputs[name], true
	}
	if l.foreign != nil {
		architectures = append(slices.Clone(platforms), l.foreign[name]...)
	} else if locked {
		// What is needed is not known yet; likely it is what was needed last time.
		architectures = append(slices.Clone(platforms), old.Revision.Architectures()...)
	}
	slices.Sort(architectures)
	architectures = slices.Compact(architectures)
	missing := slices.ContainsFunc(architectures, func(arch string) bool { return !hasArchitecture(old.Revision, arch) })
	if locked && old.Settings == in.digest && !missing && !update {
		old.Revision = old.Revision.For(architectures)
		l.put(name, old)
		return diags, nil
	}
	if l.opts.check {
		if missing && locked {
			return append(diags, diag.Errorf(in.at, "Lock entry out of date", "sysc.lock does not have all architectures of input %q, or not its source packages.", name)...), nil
		}
		return append(diags, checkInput(l.p.lock, name, in.digest, in.at)...), nil
	}
	l.opts.Progress("update", name)
	var archives []debian.Archive
	for _, arch := range architectures {
		settings := in.settings
		settings.Architecture = arch
		archives = append(archives, debian.Archives(settings)...)
	}
	known := old.Revision
	if l.opts.AllowDowngrade || in.settings.Snapshot != "" {
		known = debian.Revision{} // the past is what is wanted
	}
	revision, err := debian.Update(ctx, archives, l.opts.Fetcher(in.settings), l.opts.Now, known)
	if err != nil {
		return diags, fmt.Errorf("lock input %q (%s): %w", name, position(in.at), err)
	}
	revision = distinctIndexes(revision)
	if locked && old.Revision.ID() == revision.ID() {
		revision = debian.Revision{Indexes: old.Revision.Indexes} // signed again, and nothing has changed
	}
	l.put(name, lock.Input{Type: "debian", Settings: in.digest, Revision: revision})
	return diags, nil
}

func (l *locker) put(name string, in lock.Input) {
	if l.file.Inputs == nil {
		l.file.Inputs = map[string]lock.Input{}
	}
	l.file.Inputs[name] = in
}

// distinctIndexes leaves out what several architectures have in common.
func distinctIndexes(r debian.Revision) debian.Revision {
	var out debian.Revision
	seen := map[string]bool{}
	for _, index := range r.Indexes {
		key := index.Archive + "\x00" + index.Path
		if !seen[key] {
			seen[key] = true
			out.Indexes = append(out.Indexes, index)
		}
	}
	return out
}

// builds reports whether there is something to build in an environment.
func (w *work) builds() bool {
	return slices.ContainsFunc(w.modules(), func(m *lang.Module) bool { return len(m.Definition.Derivations)+len(m.Definition.Environments) > 0 })
}

// architectures are those of all systems, and of builds.
func (w *work) architectures() ([]string, diag.List) {
	var diags diag.List
	platforms := map[string]diag.Range{}
	if w.builds() || len(w.names(systems.Machine)) == 0 {
		platforms[w.p.opts.Platform] = diag.Range{}
	}
	for _, b := range w.blocks {
		if b.kind == systems.Home {
			continue // has no packages
		}
		platform, more := w.platform(b)
		diags = append(diags, more...)
		if platform != "" {
			platforms[platform] = b.block.Range
		}
	}
	var out []string
	for _, platform := range sortedKeys(platforms) {
		arch, err := debian.Architecture(platform)
		if err != nil {
			diags = append(diags, diag.Errorf(platforms[platform], "No packages for this platform", "%v.", err)...)
			continue
		}
		out = append(out, arch)
	}
	return out, diags
}

// collect evaluates what needs packages and numbers; requests go to w.pending.
func (w *work) collect() ([]account, diag.List) {
	diags := w.diags
	for _, m := range w.modules() {
		for _, b := range m.Definition.Derivations {
			_, more := m.Derivations(b.Labels[0], diag.Range{})
			diags = append(diags, more...)
		}
		for _, b := range m.Definition.Environments {
			_, more := m.Environments(b.Labels[0], diag.Range{})
			diags = append(diags, more...)
		}
	}
	var accounts []account
	for _, name := range w.names(systems.Machine) {
		s, more := w.open(name)
		diags = append(diags, more...)
		if s == nil || more.HasErrors() {
			continue
		}
		r := &reader{e: s.e, by: s.block.Range}
		request, _, more := s.request(r)
		diags = append(diags, more...)
		if request.base.label != "" && !more.HasErrors() {
			w.pending.add(request)
		}
		accounts = append(accounts, r.accountsOf("user")...)
		accounts = append(accounts, r.accountsOf("group")...)
		diags = append(diags, r.diags...)
		diags = append(diags, s.e.diagnostics()...)
	}
	slices.SortStableFunc(accounts, func(a, b account) int {
		return cmp.Or(-strings.Compare(a.kind, b.kind), strings.Compare(a.name, b.name))
	})
	return accounts, diags
}

// resolve keeps the locked packages of a request, or chooses them anew.
func (l *locker) resolve(ctx context.Context, w *work, r rootRequest) (diag.List, error) {
	inputs, diags := w.decoded(r)
	if diags.HasErrors() {
		return diags, nil
	}
	request := r.lockRequest(inputs, func(input string) string { return l.file.Inputs[input].Revision.ID() })
	entry, ok := l.p.lock.Resolutions[r.address]
	if l.opts.check && (!ok || !entry.Request.Equal(request)) {
		_, more := l.p.newWork(l.p.lock, nil).locked(r)
		return append(diags, more...), nil
	}
	if !ok || !entry.Request.Equal(request) || l.moves(inputs) {
		before := entry
		keep, err := l.kept(&r, before)
		if err != nil {
			return diags, err
		}
		// Many derivations are built with the same packages.
		key := fmt.Sprintf("%#v %v", request, keep)
		if entry, ok = l.resolved[key]; !ok {
			own, more, err := l.universes.ownFiles(ctx, &r)
			diags = append(diags, more...)
			if err != nil || more.HasErrors() {
				return diags, err
			}
			u, err := l.universe(ctx, inputs, &r, own, keep)
			if err != nil {
				return diags, err
			}
			if more := r.unknownVersions(u); more.HasErrors() {
				return append(diags, more...), nil
			}
			l.opts.Progress("resolve", r.address)
			wants := r.wants()
			wants.Keep = keep
			for _, file := range own {
				wants.Keep = append(wants.Keep, file.Only())
			}
			packages, err := u.Resolve(wants)
			if err != nil {
				return append(diags, unresolved(r, err)...), nil
			}
			entry = &lock.Resolution{Request: request, Packages: packages}
			l.resolved[key] = entry
			l.putEarlier(u.Earlier(packages))
		}
		if err := l.checkNewer(r.address, before, entry); err != nil {
			return diags, err
		}
		if before, ok := l.p.lock.Resolutions[r.address]; ok && r.isSystem() {
			entry = &lock.Resolution{Request: request, Packages: addedOnTop(before.Packages, entry.Packages)}
		}
	}
	if l.file.Resolutions == nil {
		l.file.Resolutions = map[string]*lock.Resolution{}
	}
	l.file.Resolutions[r.address] = entry
	more, err := l.resolvePatched(ctx, inputs, &r, entry.Packages)
	return append(diags, more...), err
}

// same reports whether the file on disk holds what would be written; what is not
// there is the same as an empty one.
func (l *locker) same() (bool, error) {
	data, err := l.file.Encode()
	if err != nil {
		return false, err
	}
	old, err := os.ReadFile(l.p.LockPath())
	if errors.Is(err, fs.ErrNotExist) {
		old, err = (&lock.File{}).Encode()
	}
	return bytes.Equal(old, data), err
}

// write writes the file unless it holds these bytes already.
func (l *locker) write() (bool, error) {
	data, err := l.file.Encode()
	if err != nil {
		return false, err
	}
	old, err := os.ReadFile(l.p.LockPath())
	if err == nil && bytes.Equal(old, data) {
		return false, nil
	}
	return true, l.file.Write(l.p.LockPath())
}

// unresolved says at the user's lines why a request has no answer.
func unresolved(r rootRequest, err error) diag.List {
	var diags diag.List
	for _, e := range split(err) {
		if unknown, ok := errors.AsType[*debian.UnknownPackageError](e); ok {
			diags = append(diags, diag.Errorf(r.place(unknown.Want.Label()), "Unknown package", "%s",
				sentence(unknown.Text(fmt.Sprintf(" in input %q", cmp.Or(unknown.Want.Input, r.base.name())))))...)
			continue
		}
		if conflict, ok := errors.AsType[*debian.UnsatisfiableError](e); ok {
			diags = append(diags, contradiction(r, conflict))
			continue
		}
		diags = append(diags, diag.Errorf(r.at, "Packages cannot be resolved", "%s.", capital(e.Error()))...)
	}
	return diags
}

// sentence ends a text with a full stop unless it is a question.
func sentence(text string) string {
	if strings.HasSuffix(text, "?") {
		return capital(text)
	}
	return capital(text) + "."
}

func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// placeOf returns where a package of any input is named that has a name, as in
// "libc6:i386"; else where the request is.
func (r *rootRequest) placeOf(name string) diag.Range {
	for _, p := range r.named {
		want := r.want(p)
		want.Prefix = ""
		if want.Label() == name {
			return p.at
		}
	}
	return r.at
}

// place returns where a package is named as in messages; else where the request is.
func (r *rootRequest) place(want string) diag.Range {
	label, _, _ := strings.Cut(want, " ")
	for _, p := range r.named {
		if r.want(p).Label() == label {
			return p.at
		}
	}
	for _, p := range r.excluded {
		if p.text == label {
			return p.at
		}
	}
	return r.at
}

func contradiction(r rootRequest, e *debian.UnsatisfiableError) *diag.Diagnostic {
	at := r.at
	var related []diag.Related
	for i, want := range e.Wants {
		place := r.place(want)
		if i == 0 {
			at = place
		} else if place != at {
			related = append(related, diag.Related{Message: want + " is asked for", Range: place})
		}
	}
	detail := "These packages of " + r.address + " cannot be installed together: " + strings.Join(e.Wants, ", ") + "."
	if len(e.Wants) == 1 {
		detail = "The package " + e.Wants[0] + " of " + r.address + " cannot be installed."
	}
	for _, reason := range e.Reasons {
		detail += "\n  " + reason
	}
	d := diag.New(diag.Error, at, "Packages contradict one another", "%s", detail)
	d.Related = related
	return d
}
