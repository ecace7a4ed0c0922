package modules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sysc/internal/lazyregexp"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/modules/lock"
	"sysc/store"
	"sysc/systems/distro/debian"
)

// storePrefix begins every path of a store, placeholders included.
const storePrefix = store.Dir + "/"

// A wantedPackage is one element of a list of packages.
type wantedPackage struct {
	// text is "git", "git=1:2.47", or the path of a derivation's output.
	text string
	at   diag.Range
}

// A packageList is a list of packages, taken apart.
type packageList struct {
	// named are packages of the base, sorted by text, each once.
	named []wantedPackage
	// outputs are paths of derivations' outputs, in order.
	outputs []string
}

// packageName is a name of Debian Policy, section 5.6.7, with a version behind
// it if need be, or the beginning of one and "*".
var packageName = lazyregexp.New(`^[a-z0-9][a-z0-9+.-]*(=[A-Za-z0-9.+~:-]+\*?)?$`)

// sortPackages takes a list of module m apart. base is the name of the base input,
// "" when there is none; what says whose list it is, as in `system "laptop"`.
func (w *work) sortPackages(m *lang.Module, list []wantedPackage, base, what string) (packageList, diag.List) {
	if len(list) == 0 {
		return packageList{}, nil
	}
	inputs := inputNames(m)
	var out packageList
	var diags diag.List
	for _, p := range list {
		if env, ok := w.environments[p.text]; ok {
			diags = append(diags, out.addEnvironment(env, p.at, base, inputName(m, base))...)
			continue
		}
		if strings.HasPrefix(p.text, storePrefix) {
			if !slices.Contains(out.outputs, p.text) {
				out.outputs = append(out.outputs, p.text)
			}
			continue
		}
		input, name := splitInput(p.text)
		switch {
		case !packageName().MatchString(name):
			diags = append(diags, diag.Errorf(p.at, "Not a package",
				"%q is not the name of a package: names are lower-case letters, digits and + - . only.", p.text)...)
		case input != "" && !inputs[input]:
			diags = append(diags, diag.Errorf(p.at, "Unknown input", "There is no input %q.%s", input, diag.DidYouMean(input, sortedKeys(inputs)))...)
		case base == "":
			diags = append(diags, diag.Errorf(p.at, "No base to take packages from",
				"%s names the package %q and has no base. Add base = input.NAME.", what, p.text)...)
		case input != "" && input != base:
			diags = append(diags, diag.Errorf(p.at, "Package of another input",
				"%q is of input %q, and the base is %q. This version of sysc takes all packages of one root from its base.", p.text, input, base)...)
		default:
			out.named = append(out.named, wantedPackage{name, p.at})
		}
	}
	slices.SortStableFunc(out.named, func(a, b wantedPackage) int { return strings.Compare(a.text, b.text) })
	out.named = slices.CompactFunc(out.named, func(a, b wantedPackage) bool { return a.text == b.text })
	return out, diags
}

// An exported is an environment as an element of a list of packages.
type exported struct {
	address string
	// input is the full name of its base.
	input    string
	packages packageList
}

// addEnvironment adds the packages of an environment. base is the list's own, and
// input its full name.
func (l *packageList) addEnvironment(env exported, at diag.Range, base, input string) diag.List {
	if len(env.packages.named) > 0 && (base == "" || env.input != input) {
		return diag.Errorf(at, "Packages of another input",
			"The packages of %s are of input %q, and this list takes packages of input %q. This version of sysc takes all packages of one root from one input.", env.address, env.input, base)
	}
	for _, p := range env.packages.named {
		l.named = append(l.named, wantedPackage{p.text, at})
	}
	for _, path := range env.packages.outputs {
		if !slices.Contains(l.outputs, path) {
			l.outputs = append(l.outputs, path)
		}
	}
	return nil
}

// splitInput splits "trixie:git". A colon in a version is none of these.
func splitInput(text string) (input, name string) {
	head, _, _ := strings.Cut(text, "=")
	if i := strings.IndexByte(head, ':'); i >= 0 {
		return text[:i], text[i+1:]
	}
	return "", text
}

// A rootRequest is what a system or an environment asks of its base, and where
// it does.
type rootRequest struct {
	// address is the lock file's name for it: "system.laptop".
	address string
	// input is a name in that module.
	module     *lang.Module
	input      string
	named      []wantedPackage
	excluded   []wantedPackage // sorted by text, each once
	base       debian.Base
	recommends bool
	arch       string
	at         diag.Range
}

// lockRequest is the request as the lock file has it.
func (r rootRequest) lockRequest(revision string) lock.Request {
	names := make([]string, len(r.named))
	for i, p := range r.named {
		names[i] = p.text
	}
	var excluded []string
	for _, p := range r.excluded {
		excluded = append(excluded, p.text)
	}
	return lock.Request{
		Input: inputName(r.module, r.input), Revision: revision, Architecture: r.arch,
		Base: string(r.base), Recommends: r.recommends, Exclude: excluded, Packages: names,
	}
}

// wants is the request as the resolver has it.
func (r rootRequest) wants() debian.Request {
	request := debian.Request{Base: r.base, Recommends: r.recommends}
	for _, p := range r.named {
		name, version, _ := strings.Cut(p.text, "=")
		request.Packages = append(request.Packages, debian.Want{Name: name, Version: version})
	}
	for _, p := range r.excluded {
		request.Exclude = append(request.Exclude, p.text)
	}
	return request
}

// revisionIDs are the ids of the revisions of a lock file's inputs, by name: each is
// hashed once, however many roots there are.
type revisionIDs map[string]string

func (ids revisionIDs) of(f *lock.File, name string) string {
	id, ok := ids[name]
	if !ok {
		id = f.Inputs[name].Revision.ID()
		ids[name] = id
	}
	return id
}

// locked returns the packages that the lock file has for a request, or says what
// is not in it.
func locked(f *lock.File, r rootRequest, ids revisionIDs) ([]debian.Package, diag.List) {
	entry, ok := f.Resolutions[r.address]
	if !ok {
		return nil, diag.Errorf(r.at, missingLock, "sysc.lock has no packages for %s yet. Run sysc lock.", r.address)
	}
	want := r.lockRequest(ids.of(f, inputName(r.module, r.input)))
	have := entry.Request
	var diags diag.List
	for _, p := range r.named {
		if !slices.Contains(have.Packages, p.text) {
			diags = append(diags, diag.Errorf(p.at, "Package not locked", "The package %q is not in sysc.lock for %s yet. Run sysc lock.", p.text, r.address)...)
		}
	}
	if diags != nil {
		return nil, diags
	}
	var gone []string
	for _, name := range have.Packages {
		if !slices.Contains(want.Packages, name) {
			gone = append(gone, name)
		}
	}
	stale := func(why string, args ...any) diag.List {
		return diag.Errorf(r.at, "Lock entry out of date", "%s Run sysc lock.", fmt.Sprintf(why, args...))
	}
	switch {
	case len(gone) > 0:
		return nil, stale("sysc.lock still has packages for %s that the definition no longer asks for: %s.", r.address, strings.Join(gone, ", "))
	case have.Input != want.Input:
		return nil, stale("sysc.lock has packages of input %q for %s, and its base is %q.", have.Input, r.address, want.Input)
	case have.Revision != want.Revision:
		return nil, stale("Input %q has moved since the packages of %s were locked.", r.input, r.address)
	case have.Architecture != want.Architecture:
		return nil, stale("sysc.lock has packages of architecture %s for %s, and %s is needed.", have.Architecture, r.address, want.Architecture)
	case have.Base != want.Base || have.Recommends != want.Recommends:
		return nil, stale("The packages of %s were locked with other base packages, or other recommended ones.", r.address)
	case !slices.Equal(have.Exclude, want.Exclude):
		return nil, stale("The packages of %s were locked with others excluded.", r.address)
	}
	return entry.Packages, nil
}

// missingLock is the summary of what sysc.lock has to say and does not.
const missingLock = "Missing lock entry"

// checkInput reports an input that is not locked, or with other settings.
func checkInput(f *lock.File, name string, digest store.Digest, at diag.Range) diag.List {
	in, ok := f.Inputs[name]
	switch {
	case !ok:
		return diag.Errorf(at, missingLock, "sysc.lock has no input %q yet. Run sysc lock.", name)
	case in.Settings != digest:
		return diag.Errorf(at, "Lock entry out of date", "The settings of input %q have changed since it was locked. Run sysc lock.", name)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare)
	return keys
}
