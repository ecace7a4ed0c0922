package modules

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"sysc/lang"
	"sysc/lang/diag"
	"sysc/modules/lock"
	"sysc/modules/option"
	"sysc/store"
	"sysc/systems/distro/debian"
)

// An input is one input, decoded.
type input struct {
	// name is the label with the module's address in front, as in "debian" or
	// "module.web.debian"; label is the label alone.
	name, label string
	settings    debian.Settings // of type "debian", without architecture
	// priority is that of the input's packages, 0 for what its archives say; pins are
	// those of some of them.
	priority int
	pins     []debian.Pin
	// fetched is set for any other type.
	fetched *fetchedInput
	// digest is that of the settings; the lock file has it to notice changes.
	digest store.Digest
	at     diag.Range
}

type inputResult struct {
	in    *input
	diags diag.List
}

// inputSettings is the table of what an input of type "debian" takes.
func inputSettings() []option.Attr {
	texts := option.List(option.String())
	noTexts := cty.ListValEmpty(cty.String)
	suite := mustPattern(`\./|/|[a-zA-Z0-9][a-zA-Z0-9._-]*(/[a-zA-Z0-9][a-zA-Z0-9._-]*)*/?`).Called("the name of a suite, or the directory of a flat archive, as \"./\",")
	address := mustPattern(`(https?|file)://[^\s]+`).Called("an address that begins with http://, https:// or file://")
	snapshot := mustPattern(`[0-9]{8}T[0-9]{6}Z`).Called("a time in UTC, such as \"20260901T000000Z\",")
	return []option.Attr{
		{Name: "suites", Type: option.List(suite)},
		{Name: "components", Type: texts, Optional: true, Default: noTexts},
		{Name: "security", Type: option.Bool(), Optional: true, Default: cty.NullVal(cty.Bool)},
		{Name: "snapshot", Type: snapshot, Optional: true, Default: cty.NullVal(cty.String)},
		{Name: "url", Type: address, Optional: true, Default: cty.NullVal(cty.String)},
		{Name: "mirrors", Type: option.List(address), Optional: true, Default: noTexts},
		{Name: "history", Type: option.Either(mustPattern(debian.NoHistory), address), Optional: true, Default: cty.NullVal(cty.String)},
		{Name: "keyring", Type: option.String(), Optional: true, Default: cty.NullVal(cty.String)},
		{Name: "check_valid_until", Type: option.Bool(), Optional: true, Default: cty.True},
		{Name: "priority", Type: priorityType(), Optional: true, Default: cty.NullVal(cty.Number)},
		{Name: "pins", Type: option.List(pinType()), Optional: true, Default: cty.EmptyTupleVal},
	}
}

// maxKeyring bounds a keyring, in bytes. Debian's has 60 KiB.
const maxKeyring = 1 << 20

// input decodes an input block of type "debian" of a module, once.
func (w *work) input(m *lang.Module, name string, from diag.Range) (*input, diag.List) {
	in, diags := w.anyInput(m, name, from)
	if in != nil && in.fetched != nil {
		return nil, append(diags, in.noPackages(from)...)
	}
	return in, diags
}

// inputName is the lock file's name of an input of a module.
func inputName(m *lang.Module, name string) string {
	if m.Address() == "" {
		return name
	}
	return m.Address() + "." + name
}

// modules returns all modules of the definition, evaluating no more than what
// tells which there are, in the order of the texts.
func (w *work) modules() []*lang.Module {
	var out []*lang.Module
	var walk func(m *lang.Module)
	walk = func(m *lang.Module) {
		out = append(out, m)
		for _, u := range m.Definition.Uses {
			all, _ := m.Uses(u.Name, diag.Range{}) // whoever needs them reports what is wrong
			if all == nil {
				continue
			}
			for _, key := range all.Keys {
				if child, _ := all.Instance(key, diag.Range{}); child != nil {
					walk(child)
				}
			}
		}
	}
	walk(w.module)
	return out
}

func (w *work) decodeInput(m *lang.Module, raw *lang.Input) (*input, diag.List) {
	values, diags := settingsOf(raw, inputSettings())
	if diags.HasErrors() {
		return nil, diags
	}
	in := &input{name: inputName(m, raw.Name), label: raw.Name, at: raw.Block.Range}
	in.settings = debian.Settings{
		Name:       url.PathEscape(in.name), // part of addresses
		Suites:     texts(values["suites"]),
		Components: texts(values["components"]),
		// An archive with a key of its own is not Debian's, and has no such thing beside it.
		Security: values["keyring"].IsNull() && values["security"].IsNull() || !values["security"].IsNull() && values["security"].True(),
		Snapshot: textOf(values["snapshot"]),
		URL:      textOf(values["url"]),
		Mirrors:  texts(values["mirrors"]),
		History:  textOf(values["history"]),

		AllowExpired: values["check_valid_until"].False(),
	}
	if len(in.settings.Suites) == 0 {
		return nil, append(diags, diag.Errorf(raw.Ranges["suites"], "Input without suites", "input %q needs at least one suite, as in suites = [\"trixie\"].", raw.Name)...)
	}
	if file := textOf(values["keyring"]); file != "" {
		ring, err := readFile(w.p.opts.Reads, m.Dir(), file, maxKeyring)
		if err != nil {
			return nil, append(diags, diag.Errorf(raw.Ranges["keyring"], "Cannot read the keyring", "%s: %v. The file lies in the directory of the module, as in keyring = \"archive.asc\".", file, cause(err))...)
		}
		in.settings.Keyring = ring
	}
	ofDebian := func(string) string { return "" } // whose past is kept somewhere in any case
	if in.settings.Snapshot != "" && in.settings.URL == "" && debian.History(in.settings, ofDebian) == "" {
		return nil, append(diags, diag.Errorf(raw.Ranges["snapshot"], "Snapshot without a place",
			"Mirrors keep the present state only. Say with history where the archive's past is kept: the address of a snapshot service, up to what comes before /debian/%s.", in.settings.Snapshot)...)
	}
	digest, err := settingsDigest(in.settings)
	if err != nil {
		return nil, append(diags, diag.Errorf(in.at, "Invalid input", "%v.", err)...)
	}
	in.digest = digest
	in.setPins(values)
	return in, diags
}

// cause returns what is wrong with a file, without its name and the system call.
func cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// settingsOf checks the arguments of an input and fills in defaults.
func settingsOf(raw *lang.Input, table []option.Attr) (map[string]cty.Value, diag.List) {
	var diags diag.List
	names := []string{"type"}
	values := map[string]cty.Value{}
	for _, a := range table {
		names = append(names, a.Name)
		v, given := raw.Settings[a.Name]
		switch {
		case given:
			fitted, err := a.Type.Fit(v)
			if err != nil {
				diags = append(diags, diag.Errorf(raw.Ranges[a.Name], "Wrong type for argument", "%s: %s.", a.Name, err.Error())...)
				continue
			}
			values[a.Name] = fitted
		case a.Optional:
			values[a.Name] = a.Default
		default:
			diags = append(diags, diag.Errorf(raw.Block.Body.End, "Missing required argument", "The argument %q is required in an input of type %q.", a.Name, raw.Type)...)
		}
	}
	for _, name := range sortedKeys(raw.Settings) {
		if !slices.Contains(names, name) {
			at := raw.Ranges[name]
			if a := raw.Block.Body.Attr(name); a != nil {
				at = a.NameRange
			}
			diags = append(diags, diag.Errorf(at, "Unsupported argument",
				"An argument named %q is not expected in an input of type %q.%s", name, raw.Type, diag.DidYouMean(name, names))...)
		}
	}
	return values, diags
}

// settingsDigest hashes what decides which archive an input is. The mirror that
// a machine happens to use is not part of it.
func settingsDigest(s debian.Settings) (store.Digest, error) {
	data, err := json.Marshal(struct {
		Suites, Components []string
		Security           bool
		Snapshot, URL      string
		Keyring            store.Digest
	}{s.Suites, s.Components, s.Security, s.Snapshot, s.URL, store.DigestOf(s.Keyring)})
	if err != nil {
		return store.Digest{}, fmt.Errorf("hash settings: %v", err)
	}
	return store.DigestOf(data), nil
}

func texts(v cty.Value) []string {
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, e.AsString())
	}
	return out
}

func textOf(v cty.Value) string {
	if v.IsNull() {
		return ""
	}
	return v.AsString()
}

// lockedInput returns the locked state of an input for an architecture, or says
// what is missing at the place that needs it.
func (w *work) lockedInput(m *lang.Module, label, arch string, from diag.Range) (*input, lock.Input, diag.List) {
	name := inputName(m, label)
	in, diags := w.input(m, label, from)
	if in == nil {
		return nil, lock.Input{}, diags
	}
	if more := checkInput(w.lock, name, in.digest, in.at); more.HasErrors() {
		return nil, lock.Input{}, append(diags, more...)
	}
	locked := w.lock.Inputs[name]
	if arch != "" && !hasArchitecture(locked.Revision, arch) {
		return nil, lock.Input{}, append(diags, diag.Errorf(in.at, "Lock entry out of date",
			"sysc.lock has nothing of architecture %s for input %q. Run sysc lock.", arch, name)...)
	}
	return in, locked, diags
}

// hasArchitecture reports whether a revision has indexes of an architecture, or only
// some that are of all of them.
func hasArchitecture(r debian.Revision, arch string) bool {
	others := false
	for _, index := range r.Indexes {
		if index.Architecture == arch {
			return true
		}
		others = others || index.Architecture != debian.ArchitectureAll && index.Architecture != debian.ArchitectureSource
	}
	return !others && len(r.Indexes) > 0 && arch != debian.ArchitectureSource
}

// A host answers the language's questions about inputs and packages of one
// module.
type host struct {
	w *work
	m *lang.Module
}

// Input returns what expressions may read of an input.
func (h *host) Input(name string, from diag.Range) (cty.Value, diag.List) {
	if in, diags := h.w.anyInput(h.m, name, from); in != nil && in.fetched != nil {
		v, more := h.w.fetchedValue(in)
		return v, append(diags, more...)
	}
	_, locked, diags := h.w.lockedInput(h.m, name, "", from)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":     cty.StringVal(name),
		"type":     cty.StringVal(locked.Type),
		"revision": cty.StringVal(locked.Revision.ID()),
		"date":     cty.StringVal(locked.Revision.Date().UTC().Format("2006-01-02T15:04:05Z")),
	}), diags
}

// Environment returns the path of the root that a build runs in.
func (h *host) Environment(req lang.EnvironmentRequest) (string, diag.List) {
	w := h.w
	list := make([]wantedPackage, len(req.Packages))
	for i, p := range req.Packages {
		list[i] = wantedPackage{text: p.Path, at: p.Range}
		if p.Path == "" {
			list[i].text = p.Name
			if p.Input != "" {
				list[i].text = p.Input + ":" + p.Name
			}
		}
	}
	packages, diags := w.sortPackages(h.m, list, req.Base, req.Origin.Label)
	image, more := w.imageBase(h.m, req.Base, req.Range)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return "", diags
	}
	if image != nil {
		path, more := h.imageEnvironment(image, req, packages)
		return path, append(diags, more...)
	}
	arch, err := debian.Architecture(req.Platform)
	if err != nil {
		return "", append(diags, diag.Errorf(req.Range, "No packages for this platform", "%v.", err)...)
	}
	request := rootRequest{
		address: req.Origin.Label, base: inputRef{h.m, req.Base}, named: packages.named,
		basePackages: debian.BaseEssential, arch: arch, at: req.Range,
	}
	_, ref, more := w.root(request, packages.outputs, req.Origin)
	diags = append(diags, more...)
	if diags.HasErrors() {
		return "", diags
	}
	path, err := w.graph.Placeholder(ref)
	if err != nil {
		return "", append(diags, diag.Errorf(req.Range, "Cannot make a root", "%v.", err)...)
	}
	if req.Exported {
		w.environments[path] = exported{address: req.Origin.Label, packages: packages}
	}
	return path, diags
}

func inputNames(m *lang.Module) map[string]bool {
	out := map[string]bool{}
	for _, name := range labels(m.Definition.Inputs) {
		out[name] = true
	}
	return out
}
