package modules

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/internal/gitfetch"
	"sysc/internal/loopback"
	"sysc/internal/ocifetch"
	"sysc/lang"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/modules/lock"
	"sysc/modules/option"
	"sysc/modules/source"
	"sysc/store"
)

// A fetchedInput is an input that is fetched as a whole: of any type but "debian".
type fetchedInput struct {
	kind string
	// image is that of type "oci", without the tag; digest is set when the definition
	// gives one.
	image ocifetch.Reference
	// remote is that of type "git".
	remote     gitfetch.Remote
	submodules bool
	// address is that of types "archive" and "file".
	address    string
	executable bool
	// ref is a tag, branch or commit, and constraint one of versions; one of them, or
	// none.
	ref        string
	constraint *source.Constraint
	// choice is where either is written.
	choice diag.Range
}

// settingsDigest hashes what decides what an input is.
func (f *fetchedInput) settingsDigest() (store.Digest, error) {
	constraint := ""
	if f.constraint != nil {
		constraint = f.constraint.String()
	}
	data, err := json.Marshal(struct {
		Kind, Image, Remote, Address, Ref, Constraint string
		Submodules, Executable                        bool
	}{f.kind, f.image.String(), f.remote.String(), f.address, f.ref, constraint, f.submodules, f.executable})
	return store.DigestOf(data), err
}

// fetchedSettings is the table of what an input of a type takes, nil for a type that
// there is not.
func fetchedSettings(kind string) []option.Attr {
	text := func(name string) option.Attr {
		return option.Attr{Name: name, Type: option.String(), Optional: true, Default: cty.NullVal(cty.String)}
	}
	needed := func(name string) option.Attr { return option.Attr{Name: name, Type: option.String()} }
	flag := func(name string) option.Attr {
		return option.Attr{Name: name, Type: option.Bool(), Optional: true, Default: cty.False}
	}
	switch kind {
	case lock.TypeOCI:
		return []option.Attr{needed("image"), text("tag"), text("version")}
	case lock.TypeGit:
		return []option.Attr{needed("url"), text("ref"), text("version"), flag("submodules")}
	case lock.TypeArchive:
		return []option.Attr{needed("url")}
	case lock.TypeFile:
		return []option.Attr{needed("url"), flag("executable")}
	}
	return nil
}

// decodeFetched decodes an input of any type but "debian".
func (w *work) decodeFetched(m *lang.Module, raw *lang.Input) (*input, diag.List) {
	table := fetchedSettings(raw.Type)
	if table == nil {
		known := []string{"debian", lock.TypeOCI, lock.TypeGit, lock.TypeArchive, lock.TypeFile}
		return nil, diag.Errorf(raw.Ranges["type"], "Unknown type of input",
			"There are inputs of the types %s, and none of type %q.%s", strings.Join(known, ", "), raw.Type, diag.DidYouMean(raw.Type, known))
	}
	values, diags := settingsOf(raw, table)
	if diags.HasErrors() {
		return nil, diags
	}
	f := &fetchedInput{kind: raw.Type}
	switch raw.Type {
	case lock.TypeOCI:
		diags = f.decodeImage(raw, values)
	case lock.TypeGit:
		f.submodules = values["submodules"].True()
		diags = f.decodeGit(raw, values)
	default:
		if e, ok := values["executable"]; ok {
			f.executable = e.True()
		}
		f.address = textOf(values["url"])
		diags = checkAddress(raw, f.address)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	in := &input{name: inputName(m, raw.Name), label: raw.Name, at: raw.Block.Range, fetched: f}
	var err error
	if in.digest, err = f.settingsDigest(); err != nil {
		return nil, diag.Errorf(in.at, "Invalid input", "%v.", err)
	}
	return in, nil
}

// decodeImage reads the settings of type "oci".
func (f *fetchedInput) decodeImage(raw *lang.Input, values map[string]cty.Value) diag.List {
	r, err := ocifetch.ParseReference(textOf(values["image"]))
	switch {
	case errors.Is(err, ocifetch.ErrPassword):
		return passwordIn(raw, "image", err)
	case err != nil:
		return diag.Errorf(raw.Ranges["image"], "Invalid name of an image", "%s.", capital(err.Error()))
	}
	diags := f.decodeChoice(raw, values, "tag", ocifetch.CheckTag)
	chosen := f.ref != "" || f.constraint != nil
	switch {
	case diags.HasErrors():
	case chosen && (r.Tag != "" || r.HasDigest()):
		return diag.Errorf(f.choice, "Tag or version twice", "The name of the image says already what is wanted of it: %q. Take one of them out.", r)
	case !chosen && r.Tag != "" && !r.HasDigest():
		f.ref, f.choice = r.Tag, raw.Ranges["image"]
	}
	r.Tag = ""
	f.image = r
	return diags
}

// decodeGit reads the settings of type "git".
func (f *fetchedInput) decodeGit(raw *lang.Input, values map[string]cty.Value) diag.List {
	var err error
	address := textOf(values["url"])
	f.remote, err = gitfetch.ParseRemote(strings.TrimPrefix(address, "git::"))
	switch {
	case errors.Is(err, gitfetch.ErrPassword):
		return passwordIn(raw, "url", err)
	case err != nil:
		return diag.Errorf(raw.Ranges["url"], "Invalid address", "%s.", capital(err.Error()))
	case strings.HasPrefix(f.remote.String(), "file:"):
		return diag.Errorf(raw.Ranges["url"], "Repository of this machine", "A repository of this machine is nothing that others have. To read files beside the definition, use source().")
	}
	return f.decodeChoice(raw, values, "ref", gitfetch.CheckRef)
}

// decodeChoice reads what is wanted of several states: one that is named, or a
// constraint of versions.
func (f *fetchedInput) decodeChoice(raw *lang.Input, values map[string]cty.Value, name string, check func(string) error) diag.List {
	ref, version := textOf(values[name]), textOf(values["version"])
	f.choice = raw.Ranges["version"]
	switch {
	case ref != "" && version != "":
		return diag.Errorf(raw.Ranges["version"], "Tag or version twice", "Both %s and version say what is wanted. Take one of them out.", name)
	case version != "":
		c, err := source.ParseConstraint(version)
		if err != nil {
			return diag.Errorf(raw.Ranges["version"], "Invalid version constraint", "%s.", capital(err.Error()))
		}
		f.constraint = &c
	case ref != "":
		f.choice = raw.Ranges[name]
		if err := check(ref); err != nil {
			return diag.Errorf(raw.Ranges[name], "Invalid "+name, "%s.", capital(err.Error()))
		}
		f.ref = ref
	default:
		f.choice = raw.Block.Range
	}
	return nil
}

// checkAddress checks what an archive or file is fetched from: the first time there is
// no hash yet that would notice another one.
func checkAddress(raw *lang.Input, address string) diag.List {
	u, err := url.Parse(address)
	switch {
	case err == nil && u.User != nil || err != nil && strings.Contains(address, "@"):
		return passwordIn(raw, "url", errors.New("the address has a user name or password in it, which everybody could read. Leave it out, and put a line into ~/.netrc, which only you can read:\n  machine HOST login USER password PASSWORD"))
	case err != nil || u.Host == "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return diag.Errorf(raw.Ranges["url"], "Invalid address", "%q is not an address that can be fetched: it begins with https:// and a host.", address)
	case u.Scheme == "http" && !loopback.IsHost(u.Hostname()):
		return diag.Errorf(raw.Ranges["url"], "Address without TLS",
			"Nothing says that what %q gives the first time is right, so http is for servers on this machine. Use https, or fetchurl() with a hash.", address)
	}
	return nil
}

// passwordIn says that a setting has a password in it, without its line, which would be
// shown.
func passwordIn(raw *lang.Input, name string, err error) diag.List {
	return diag.Errorf(diag.Range{}, "Password in an input", "%s. It stands at %s.", capital(err.Error()), raw.Ranges[name])
}

// anyInput decodes an input block of a module, once, whatever its type.
func (w *work) anyInput(m *lang.Module, name string, from diag.Range) (*input, diag.List) {
	key := inputName(m, name)
	if r, ok := w.inputs[key]; ok {
		return r.in, r.diags
	}
	r := &inputResult{}
	raw, diags := m.Input(name, from)
	r.diags = diags
	if raw != nil {
		decode := w.decodeFetched
		if raw.Type == "debian" {
			decode = w.decodeInput
		}
		in, more := decode(m, raw)
		r.in, r.diags = in, append(diags, more...)
	}
	if r.diags.HasErrors() {
		r.in = nil
	}
	if slices.Contains(labels(m.Definition.Inputs), name) {
		w.inputs[key] = r
	}
	return r.in, r.diags
}

// isFetched reports whether an input is of another type than "debian".
func (w *work) isFetched(m *lang.Module, name string) bool {
	in, _ := w.anyInput(m, name, diag.Range{})
	return in != nil && in.fetched != nil
}

// noPackages says that an input has none.
func (in *input) noPackages(from diag.Range) diag.List {
	return diag.Errorf(from, "Input without packages", "Input %q is of type %q, and has no packages to choose from.", in.label, in.fetched.kind)
}

// lockedPin returns what the lock file has of an input.
func (w *work) lockedPin(in *input) (lock.Pin, diag.List) {
	if diags := checkInput(w.lock, in.name, in.digest, in.at); diags.HasErrors() {
		return lock.Pin{}, diags
	}
	return w.lock.Inputs[in.name].Pin, nil
}

// fetchedValue is what expressions may read of an input.
func (w *work) fetchedValue(in *input) (cty.Value, diag.List) {
	pin, diags := w.lockedPin(in)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	path, diags := w.inputPath(in, pin)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	attrs := map[string]cty.Value{
		"name": cty.StringVal(in.label), "type": cty.StringVal(in.fetched.kind), "revision": cty.StringVal(pin.ID()),
		"path": eval.MarkPath(path, in.address()),
	}
	if in.fetched.kind == lock.TypeOCI || in.fetched.kind == lock.TypeGit {
		attrs["version"], attrs["ref"] = orNullText(pin.Version), orNullText(pin.Ref)
	}
	return cty.ObjectVal(attrs), nil
}

func orNullText(text string) cty.Value {
	if text == "" {
		return cty.NullVal(cty.String)
	}
	return cty.StringVal(text)
}

// address is what people call the input.
func (in *input) address() string { return "input." + in.name }

// inputPath adds what fetches an input to the graph, and returns the path of what
// builds can read of it.
func (w *work) inputPath(in *input, pin lock.Pin) (string, diag.List) {
	d, attrs, diags := in.derivation(pin, w.p.opts.Platform)
	if diags.HasErrors() {
		return "", diags
	}
	path, err := w.addFetch(in, d, attrs)
	if err == nil {
		switch in.fetched.kind {
		case lock.TypeOCI:
			d, attrs = builtin.CanonicalTree(d.Name, path)
			path, err = w.addFetch(in, d, attrs)
		case lock.TypeArchive:
			d, attrs = builtin.Unpacked(builtin.TreeName(d.Name), path)
			path, err = w.addFetch(in, d, attrs)
		}
	}
	if err != nil {
		return "", diag.Errorf(in.at, "Cannot make a derivation", "%v.", err)
	}
	return path, nil
}

// addFetch adds a step to the graph and returns the path of what it makes.
func (w *work) addFetch(in *input, d derivations.Derivation, attrs map[string]any) (string, error) {
	var err error
	if d.Attrs, err = derivations.MakeAttrs(attrs); err != nil {
		return "", err
	}
	h, err := w.graph.Add(d, derivations.Origin{Label: in.address(), Position: in.at.String()})
	if err != nil {
		return "", err
	}
	return w.graph.Placeholder(derivations.Ref{Derivation: h, Output: derivations.DefaultOutput})
}

// derivation returns what fetches an input, for a platform if there are several, and
// its attributes.
func (in *input) derivation(pin lock.Pin, platform string) (derivations.Derivation, map[string]any, diag.List) {
	f := in.fetched
	switch f.kind {
	case lock.TypeOCI:
		if pin.Roots[platform].IsZero() {
			return derivations.Derivation{}, nil, diag.Errorf(in.at, "Lock entry out of date", "sysc.lock has nothing for %s of input %q. Run sysc lock.", platform, in.name)
		}
		d, attrs := f.imageSource(pin, platform).Derivation()
		return d, attrs, nil
	case lock.TypeGit:
		d, attrs := f.commitSource(pin).Derivation()
		return d, attrs, nil
	}
	d, attrs := f.fileSource(pin).Derivation()
	return d, attrs, nil
}

func (f *fetchedInput) imageSource(pin lock.Pin, platform string) builtin.ImageSource {
	r := f.image
	r.Digest = ocifetch.Digest(pin.Digest)
	return builtin.ImageSource{Reference: r, Platform: platform, Root: pin.Roots[platform]}
}

func (f *fetchedInput) commitSource(pin lock.Pin) builtin.CommitSource {
	s := builtin.CommitSource{Remote: f.remote, Commit: pin.Commit, Submodules: f.submodules, Tree: pin.Tree}
	if pin.Ref != "HEAD" {
		s.Ref = pin.Ref
	}
	return s
}

func (f *fetchedInput) fileSource(pin lock.Pin) builtin.FileSource {
	return builtin.FileSource{URLs: []string{f.address}, Name: builtin.FileName(f.address), SHA256: pin.SHA256, Size: pin.Size, Executable: f.executable}
}
