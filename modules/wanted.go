package modules

import (
	"cmp"
	"fmt"
	"path"
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

// An inputRef names an input as a module does.
type inputRef struct {
	module *lang.Module
	label  string // "" for none
}

// name is the input's full name.
func (r inputRef) name() string {
	if r.label == "" {
		return ""
	}
	return inputName(r.module, r.label)
}

// A wantedPackage is one element of a list of packages.
type wantedPackage struct {
	// text is "git", "git=1:2.47", "libc6:i386", or the path of a derivation's output; in
	// the user's text the name of an input and a colon may stand in front.
	text string
	at   diag.Range
	// from is the input, once it is known.
	from inputRef
}

// lockText is the package as the lock file has it: with the full name of its input
// unless that is the base.
func (p wantedPackage) lockText(base string) string {
	if name := p.from.name(); name != base {
		return name + ":" + p.text
	}
	return p.text
}

// A packageList is a list of packages, taken apart.
type packageList struct {
	// named are packages of inputs, sorted by input and text, each once.
	named []wantedPackage
	// outputs are paths of derivations' outputs, in order.
	outputs []string
}

// packageName is a name of Debian Policy, section 5.6.7, with an architecture and a
// version behind it if need be, or the beginning of one and "*".
var packageName = lazyregexp.New(`^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?(=[A-Za-z0-9.+~:-]+\*?)?$`)

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
			diags = append(diags, out.addEnvironment(env, p.at, base, what)...)
			continue
		}
		if name, ok := namesFile(p.text); ok {
			diags = append(diags, diag.Errorf(p.at, "Package file in a list of names",
				"A package file is installed by its name: put %q here, and say in a block which file that is: package %q { from = source(\"./%s.deb\") }, on lines of its own.", name, name, name)...)
			continue
		}
		if strings.HasPrefix(p.text, storePrefix) {
			if !slices.Contains(out.outputs, p.text) {
				out.outputs = append(out.outputs, p.text)
			}
			continue
		}
		input, name := splitInput(p.text, inputs)
		switch {
		case !packageName().MatchString(name):
			diags = append(diags, diag.Errorf(p.at, "Not a package",
				"%q is not the name of a package: names are lower-case letters, digits and + - . only.", p.text)...)
		case input != "" && !inputs[input]:
			diags = append(diags, diag.Errorf(p.at, "Unknown input", "There is no input %q.%s", input, diag.DidYouMean(input, sortedKeys(inputs)))...)
		case base == "":
			diags = append(diags, diag.Errorf(p.at, "No base to take packages from",
				"%s names the package %q and has no base. Add base = input.NAME.", what, p.text)...)
		case input != "" && w.isFetched(m, input):
			in, _ := w.anyInput(m, input, p.at)
			diags = append(diags, in.noPackages(p.at)...)
		case wrongArchitecture(name) != "":
			known := debian.Architectures()
			diags = append(diags, diag.Errorf(p.at, "Unknown architecture",
				"%q is none of Debian's architectures: %s.%s", wrongArchitecture(name), strings.Join(known, ", "), diag.DidYouMean(wrongArchitecture(name), known))...)
		default:
			out.named = append(out.named, wantedPackage{name, p.at, inputRef{m, cmp.Or(input, base)}})
		}
	}
	sortWanted(&out.named)
	return out, diags
}

// namesFile returns the name of the package that a package file is of, going by the file's
// name, NAME_VERSION_ARCHITECTURE.deb.
func namesFile(text string) (name string, ok bool) {
	file := path.Base(text)
	if strings.HasPrefix(text, storePrefix) {
		_, file, _ = strings.Cut(file, "-") // behind the id
	}
	name, ok = strings.CutSuffix(file, ".deb")
	name, _, _ = strings.Cut(name, "_")
	return name, ok
}

// sortWanted sorts packages, and leaves out what is there already.
func sortWanted(list *[]wantedPackage) {
	slices.SortStableFunc(*list, func(a, b wantedPackage) int {
		return cmp.Or(strings.Compare(a.text, b.text), strings.Compare(a.from.name(), b.from.name()))
	})
	*list = slices.CompactFunc(*list, func(a, b wantedPackage) bool { return a.text == b.text && a.from.name() == b.from.name() })
}

// An exported is an environment as an element of a list of packages.
type exported struct {
	address  string
	packages packageList
	// image is set when its base is an image: then it has no packages to stand for.
	image bool
}

// addEnvironment adds the packages of an environment to the list of something that has
// a base.
func (l *packageList) addEnvironment(env exported, at diag.Range, base, what string) diag.List {
	if env.image {
		return diag.Errorf(at, "Environment of an image", "%s is an image, and not packages that could be added to others.", env.address)
	}
	if len(env.packages.named) > 0 && base == "" {
		return diag.Errorf(at, "No base to take packages from",
			"%s takes the packages of %s and has no base. Add base = input.NAME.", what, env.address)
	}
	for _, p := range env.packages.named {
		l.named = append(l.named, wantedPackage{p.text, at, p.from})
	}
	for _, path := range env.packages.outputs {
		if !slices.Contains(l.outputs, path) {
			l.outputs = append(l.outputs, path)
		}
	}
	return nil
}

// splitInput splits "trixie:git" and "trixie:libc6:i386". In "libc6:i386" there is no
// input, unless one is called so; a colon in a version is none of these.
func splitInput(text string, inputs map[string]bool) (input, name string) {
	head, _, _ := strings.Cut(text, "=")
	first, rest, ok := strings.Cut(head, ":")
	if !ok || !inputs[first] && debian.IsArchitecture(rest) {
		return "", text
	}
	return first, text[len(first)+1:]
}

// splitPackage takes "libc6:i386=2.41-12" apart.
func splitPackage(text string) (name, arch, version string) {
	head, version, _ := strings.Cut(text, "=")
	name, arch, _ = strings.Cut(head, ":")
	return name, arch, version
}

// wrongArchitecture returns the architecture of a package if there is none such.
func wrongArchitecture(text string) string {
	if _, arch, _ := splitPackage(text); arch != "" && !debian.IsArchitecture(arch) {
		return arch
	}
	return ""
}

// A rootRequest is what a system or an environment asks of its base and of other
// inputs, and where it does.
type rootRequest struct {
	// address is the lock file's name for it: "system.laptop".
	address string
	base    inputRef // whose label is "" when there is none
	// image is set in place of base when that is an image.
	image        *input
	named        []wantedPackage
	excluded     []wantedPackage // sorted by text, each once
	held         []wantedPackage // as excluded; what is held is no matter of the lock file
	basePackages debian.Base
	recommends   bool
	arch         string
	// replaced has by name what is installed in place of the archive's. What is built is
	// no matter of the lock file, package files are.
	replaced map[string]replacement
	// patched has by name what is built again, and versions which versions are taken.
	patched  map[string]patching
	versions map[string]chosenVersion
	// initrd is set when packages make the initrd.
	initrd bool
	at     diag.Range
}

// inputs are those that packages are from: the base, then the others by full name.
func (r *rootRequest) inputs() []inputRef {
	base := r.base.name()
	others := map[string]inputRef{}
	for _, p := range r.named {
		if name := p.from.name(); name != base {
			others[name] = p.from
		}
	}
	refs := []inputRef{r.base}
	for _, name := range sortedKeys(others) {
		refs = append(refs, others[name])
	}
	return refs
}

// foreign are the architectures of packages beside the root's own, sorted.
func (r *rootRequest) foreign() []string {
	var out []string
	for _, p := range r.named {
		if _, arch, _ := splitPackage(p.text); arch != "" && arch != r.arch {
			out = append(out, arch)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// isSystem reports whether a system asks, whose packages change one by one.
func (r rootRequest) isSystem() bool { return strings.HasPrefix(r.address, "system.") }

// lockRequest is the request as the lock file has it. decoded has the inputs.
func (r *rootRequest) lockRequest(decoded []*input, revision func(input string) string) lock.Request {
	base := r.base.name()
	request := lock.Request{
		Input: base, Revision: revision(base), Architecture: r.arch,
		Base: string(r.basePackages), Recommends: r.recommends, Packages: []string{},
	}
	for _, in := range decoded {
		if in.name != base {
			request.With = append(request.With, lock.InputState{Input: in.name, Revision: revision(in.name)})
		}
		request.Pins = append(request.Pins, in.pinTexts()...)
	}
	for _, name := range sortedKeys(r.versions) {
		request.Pins = append(request.Pins, name+": "+r.versions[name].version)
	}
	for _, p := range r.named {
		request.Packages = append(request.Packages, p.lockText(base))
	}
	slices.Sort(request.Packages)
	for _, p := range r.excluded {
		request.Exclude = append(request.Exclude, p.text)
	}
	request.Files = r.ownFiles()
	return request
}

// wants is the request as the resolver has it.
func (r *rootRequest) wants() debian.Request {
	request := debian.Request{Base: r.basePackages, Recommends: r.recommends}
	for _, p := range r.named {
		request.Packages = append(request.Packages, r.want(p))
	}
	for _, p := range r.excluded {
		request.Exclude = append(request.Exclude, p.text)
	}
	return request
}

func (r *rootRequest) want(p wantedPackage) debian.Want {
	name, arch, version := splitPackage(p.text)
	want := debian.Want{Name: name, Architecture: arch, Version: version, Input: p.from.name()}
	if arch == r.arch {
		want.Architecture = ""
	}
	if want.Input != r.base.name() {
		want.Prefix = want.Input + ":"
	}
	return want
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
func (w *work) locked(r rootRequest) ([]debian.Package, diag.List) {
	entry, ok := w.lock.Resolutions[r.address]
	if !ok {
		return nil, diag.Errorf(r.at, missingLock, "sysc.lock has no packages for %s yet. Run sysc lock.", r.address)
	}
	decoded, diags := w.decoded(r)
	if diags.HasErrors() {
		return nil, diags
	}
	want := r.lockRequest(decoded, func(input string) string { return w.revisions.of(w.lock, input) })
	have := entry.Request
	for _, p := range r.named {
		if !slices.Contains(have.Packages, p.lockText(want.Input)) {
			diags = append(diags, diag.Errorf(p.at, "Package not locked", "The package %q is not in sysc.lock for %s yet. Run sysc lock.", p.text, r.address)...)
		}
	}
	if diags.HasErrors() {
		return nil, diags
	}
	if why := staleness(have, want, r.address); why != "" {
		return nil, append(diags, diag.Errorf(r.at, "Lock entry out of date", "%s Run sysc lock.", why)...)
	}
	return entry.Packages, diags
}

// staleness says how a locked request differs from what is wanted now, "" if it does
// not.
func staleness(have, want lock.Request, address string) string {
	var gone []string
	for _, name := range have.Packages {
		if !slices.Contains(want.Packages, name) {
			gone = append(gone, name)
		}
	}
	switch {
	case len(gone) > 0:
		return fmt.Sprintf("sysc.lock still has packages for %s that the definition no longer asks for: %s.", address, strings.Join(gone, ", "))
	case have.Input != want.Input:
		return fmt.Sprintf("sysc.lock has packages of input %q for %s, and its base is %q.", have.Input, address, want.Input)
	case have.Revision != want.Revision:
		return fmt.Sprintf("Input %q has moved since the packages of %s were locked.", want.Input, address)
	case have.Architecture != want.Architecture:
		return fmt.Sprintf("sysc.lock has packages of architecture %s for %s, and %s is needed.", have.Architecture, address, want.Architecture)
	case have.Base != want.Base || have.Recommends != want.Recommends:
		return fmt.Sprintf("The packages of %s were locked with other base packages, or other recommended ones.", address)
	case !slices.Equal(have.Exclude, want.Exclude):
		return fmt.Sprintf("The packages of %s were locked with others excluded.", address)
	case !slices.Equal(have.Files, want.Files):
		return fmt.Sprintf("The packages of %s were locked with other package files of the definition's own.", address)
	case !slices.Equal(have.Pins, want.Pins):
		return fmt.Sprintf("The packages of %s were locked with other priorities, or versions.", address)
	case !have.Equal(want):
		return fmt.Sprintf("Other inputs than the base have moved since the packages of %s were locked.", address)
	}
	return ""
}

// decoded returns the inputs that a request takes packages from.
func (w *work) decoded(r rootRequest) ([]*input, diag.List) {
	var all []*input
	var diags diag.List
	for _, ref := range r.inputs() {
		in, more := w.input(ref.module, ref.label, r.at)
		diags = append(diags, more...)
		if in != nil {
			all = append(all, in)
		}
	}
	return all, diags
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
