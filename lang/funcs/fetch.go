package funcs

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/store"
)

// A fetch is what a call wants to have.
type fetch struct {
	addresses []string // best first
	file      *url.URL // the only address, when it is a file of the module
	digest    store.Digest
	fetchOptions
}

// fetchOptions are the optional last argument.
type fetchOptions struct {
	name       string // of the object, "" for that of the first address
	executable bool
}

// fetchURL makes a derivation that downloads one file.
func (m Module) fetchURL(c eval.Call) (cty.Value, diag.List) {
	f, diags := fetchArgs(c)
	if diags.HasErrors() {
		return noPath, diags
	}
	if f.name == "" {
		f.name = builtin.FileName(f.addresses[0])
	}
	return m.addFetch(c, f)
}

// fetchTarball makes a derivation that downloads an archive and one that unpacks
// it, the leading directory of its paths left out. The hash is the archive's.
func (m Module) fetchTarball(c eval.Call) (cty.Value, diag.List) {
	f, diags := fetchArgs(c)
	if diags.HasErrors() {
		return noPath, diags
	}
	if f.executable {
		return noPath, diag.Errorf(c.Args[2].Range, "Invalid option", "What is in an archive is executable or not as the archive says.")
	}
	name := f.name
	f.name = builtin.FileName(f.addresses[0])
	if name == "" {
		name = builtin.TreeName(f.name)
	}
	archive, diags := m.addFetch(c, f)
	if diags.HasErrors() {
		return noPath, diags
	}
	plain, _ := eval.Plain(archive)
	d, attrs := builtin.Unpacked(name, plain.AsString())
	return m.add(c, d, attrs, f.label(c))
}

// label is what people call the result.
func (f *fetch) label(c eval.Call) string { return fmt.Sprintf("%s(%q)", c.Name, f.addresses[0]) }

// addFetch adds what gets a file: a derivation, or a source when the file is one
// of the module.
func (m Module) addFetch(c eval.Call, f fetch) (cty.Value, diag.List) {
	if f.file != nil {
		return m.addModuleFile(c, f)
	}
	d, attrs := builtin.FileSource{URLs: f.addresses, Name: f.name, SHA256: f.digest, Executable: f.executable}.Derivation()
	return m.add(c, d, attrs, f.label(c))
}

// addModuleFile adds a file of the module as a source, if it has the hash.
func (m Module) addModuleFile(c eval.Call, f fetch) (cty.Value, diag.List) {
	file, info, diags := m.modulePath(c.Args[0], f.file, false)
	if diags.HasErrors() {
		return noPath, diags
	}
	got, err := m.Graph.AddSource(m.Reads, derivations.Source{Name: f.name, File: file, Executable: f.executable})
	if err != nil {
		return noPath, diag.Errorf(c.Range, "Cannot make a source", "%v.", err)
	}
	want, ok := derivations.FixedPath(&derivations.Derivation{
		Name: f.name, Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: f.digest, Size: info.Size(), Executable: f.executable},
	})
	if !ok || got != want {
		has, err := m.Reads.Hash(file)
		if err != nil {
			return noPath, m.fileError(c.Args[0], f.file.Path, err)
		}
		return noPath, diag.Errorf(c.Args[1].Range, "Wrong content", "%q is another file:\n  expected %s\n  got      %s", f.addresses[0], f.digest, store.Digest(has.SHA256))
	}
	return eval.MarkPath(got.Logical(), f.label(c)), nil
}

// fetchArgs reads one or several addresses, a hash, and options.
func fetchArgs(c eval.Call) (f fetch, diags diag.List) {
	if diags = f.readAddresses(c.Args[0]); diags.HasErrors() {
		return f, diags
	}
	hash, diags := c.Args[1].PlainText("hash")
	if diags.HasErrors() {
		return f, diags
	}
	if f.digest, diags = parseHash(c.Args[1], hash); diags.HasErrors() {
		return f, diags
	}
	if len(c.Args) > 2 {
		f.fetchOptions, diags = readOptions(c.Args[2])
	}
	return f, diags
}

// readAddresses takes a text or a list of texts.
func (f *fetch) readAddresses(a eval.Arg) diag.List {
	elements := []eval.Arg{a}
	if plain, marks := a.Value.Unmark(); !plain.IsNull() && (plain.Type().IsListType() || plain.Type().IsTupleType()) {
		elements = nil
		for it := plain.ElementIterator(); it.Next(); {
			_, v := it.Element()
			elements = append(elements, eval.Arg{Value: v.WithMarks(marks), Range: a.Range})
		}
	}
	for _, element := range elements {
		address, diags := element.PlainText("url")
		if diags.HasErrors() {
			return diags
		}
		u, diags := parseAddress(a, address)
		if diags.HasErrors() {
			return diags
		}
		if u.Scheme == "file" {
			f.file = u
		}
		f.addresses = append(f.addresses, address)
	}
	switch {
	case len(f.addresses) == 0:
		return diag.Errorf(a.Range, "No address", "The list has no address to fetch from.")
	case len(f.addresses) > 1 && f.file != nil:
		return diag.Errorf(a.Range, "Invalid address", "A file:// address stands alone: a file of the module is there or not, and needs no other place.")
	}
	return nil
}

// readOptions takes an object like { name = "x", executable = true }.
func readOptions(a eval.Arg) (o fetchOptions, diags diag.List) {
	plain, marks := a.Value.Unmark()
	if plain.IsNull() || !plain.Type().IsObjectType() && !plain.Type().IsMapType() {
		return o, diag.Errorf(a.Range, "Invalid function argument", "The options are an object, as in { name = \"hello\" }.")
	}
	for it := plain.ElementIterator(); it.Next(); {
		k, v := it.Element()
		value := eval.Arg{Value: v.WithMarks(marks), Range: a.Range}
		key := k.AsString()
		text, diags := value.PlainText(key)
		if diags.HasErrors() {
			return o, diags
		}
		switch {
		case key == "name" && store.CheckName(text) != nil:
			return o, diag.Errorf(a.Range, "Invalid name", "%v.", store.CheckName(text))
		case key == "name":
			o.name = text
		case key == "executable" && (text == "true" || text == "false"):
			o.executable = text == "true"
		case key == "executable":
			return o, diag.Errorf(a.Range, "Invalid option", "executable is true or false, not %q.", text)
		default:
			return o, diag.Errorf(a.Range, "Unknown option", "There is no option %q: there are name and executable.%s", key, diag.DidYouMean(key, []string{"name", "executable"}))
		}
	}
	return o, nil
}

func parseAddress(a eval.Arg, address string) (*url.URL, diag.List) {
	if hasCredentials(address) {
		// No range: the line would be shown, with the password in it.
		return nil, diag.Errorf(diag.Range{}, "Password in an address",
			"The address at %s has a user name or password in it, which everybody could read in the store, in logs and in messages. Leave it out, and put a line into ~/.netrc (or the file that $NETRC names), which only you can read:\n  machine HOST login USER password PASSWORD", a.Range)
	}
	u, err := url.Parse(address)
	ok := err == nil
	switch {
	case !ok:
	case u.Scheme == "https", u.Scheme == "http", u.Scheme == "mirror":
		ok = u.Host != ""
	case u.Scheme == "file":
		ok = (u.Host == "" || u.Host == ".") && len(u.Path) > 1
	default:
		ok = false
	}
	if !ok {
		return nil, diag.Errorf(a.Range, "Invalid address",
			"%q is not an address that can be fetched: it begins with https://, http:// or mirror:// and a host or mirror, or with file://./ and the name of a file of the module.", address)
	}
	return u, nil
}

// hasCredentials reports whether an address, even one that cannot be parsed, has
// something before its host.
func hasCredentials(address string) bool {
	_, rest, ok := strings.Cut(address, "//")
	if !ok {
		rest = address
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return strings.Contains(rest, "@")
}

// parseHash reads a SHA-256 as sha256sum writes it, behind "sha256:", or as web
// pages have it, "sha256-" and base64.
func parseHash(a eval.Arg, hash string) (d store.Digest, diags diag.List) {
	if text, ok := strings.CutPrefix(hash, "sha256-"); ok {
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err == nil && len(raw) == len(d) {
			return store.Digest(raw), nil
		}
	} else if strings.HasPrefix(hash, "sha256:") {
		if d, err := store.ParseDigest(hash); err == nil {
			return d, nil
		}
	}
	return d, diag.Errorf(a.Range, "Invalid hash",
		"%q is neither \"sha256:\" and 64 hexadecimal digits nor \"sha256-\" and 44 characters of base64. To learn the hash of a file, run sha256sum on it.", hash)
}
