package funcs

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/store"
)

// A fetch is what a call wants to have.
type fetch struct {
	name   string // of the object
	digest store.Digest
	url    *url.URL
	of     string // what people call the result
}

// fetchURL makes a derivation that downloads one file.
func (m Module) fetchURL(c eval.Call) (cty.Value, diag.List) {
	if diags := m.needGraph(c); diags != nil {
		return noPath, diags
	}
	f, diags := fetchArgs(c)
	if diags.HasErrors() {
		return noPath, diags
	}
	return m.addFetch(c, f)
}

// fetchTarball makes a derivation that downloads an archive and one that unpacks
// it, the leading directory of its paths left out. The hash is the archive's.
func (m Module) fetchTarball(c eval.Call) (cty.Value, diag.List) {
	if diags := m.needGraph(c); diags != nil {
		return noPath, diags
	}
	f, diags := fetchArgs(c)
	if diags.HasErrors() {
		return noPath, diags
	}
	archive, diags := m.addFetch(c, f)
	if diags.HasErrors() {
		return noPath, diags
	}
	plain, _ := eval.Plain(archive)
	return m.add(c, derivations.Derivation{Name: objectName(withoutExtension(f.name)), Platform: derivations.PlatformAny, Builder: "builtin:unpack"},
		map[string]any{"source": plain.AsString(), "format": "archive", "strip": 1, "kind": "tree"}, f.of)
}

// addFetch adds what gets a file: a derivation, or a source when the file is one
// of the module.
func (m Module) addFetch(c eval.Call, f fetch) (cty.Value, diag.List) {
	if f.url.Scheme == "file" {
		return m.addModuleFile(c, f)
	}
	return m.add(c, derivations.Derivation{
		Name: f.name, Platform: derivations.PlatformAny, Builder: "builtin:fetch",
		Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: f.digest},
	}, map[string]any{"url": f.url.String()}, f.of)
}

// addModuleFile adds a file of the module as a source, if it has the hash.
func (m Module) addModuleFile(c eval.Call, f fetch) (cty.Value, diag.List) {
	file, size, diags := m.moduleFile(c.Args[0], f.url)
	if diags.HasErrors() {
		return noPath, diags
	}
	got, err := m.Graph.AddSource(derivations.Source{Name: f.name, File: file})
	if err != nil {
		return noPath, diag.Errorf(c.Range, "Cannot make a source", "%v.", err)
	}
	want, ok := derivations.FixedPath(&derivations.Derivation{
		Name: f.name, Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: f.digest, Size: size},
	})
	if !ok || got != want {
		has, err := digestOf(file)
		if err != nil {
			return noPath, m.fileError(c.Args[0], f.url.Path, err)
		}
		return noPath, diag.Errorf(c.Args[1].Range, "Wrong content", "%q is another file:\n  expected %s\n  got      %s", f.url, f.digest, has)
	}
	return eval.MarkPath(got.Logical(), f.of), nil
}

func digestOf(file string) (d store.Digest, err error) {
	f, err := os.Open(file)
	if err != nil {
		return d, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return store.Digest(h.Sum(nil)), err
}

// moduleFile returns where the file of a file:// address is, and its size. It
// must be below the module's directory, whatever links lead to it: what a
// definition gives depends on nothing else of this machine.
func (m Module) moduleFile(a eval.Arg, u *url.URL) (file string, size int64, diags diag.List) {
	outside := func() diag.List {
		return diag.Errorf(a.Range, "File outside of the module",
			"%q names no file below the module's directory, and a definition reads no others. Put the file beside the definition and write file://./NAME.", u)
	}
	if m.Dir == "" {
		return "", 0, outside()
	}
	base, err := filepath.Abs(m.Dir)
	if err != nil {
		return "", 0, m.fileError(a, u.Path, err)
	}
	real, err := filepath.EvalSymlinks(base)
	if err != nil {
		return "", 0, m.fileError(a, u.Path, err)
	}
	name := strings.TrimLeft(u.Path, "/")
	if u.Host == "" {
		if name, err = filepath.Rel(base, u.Path); err != nil || !filepath.IsLocal(name) {
			name, err = filepath.Rel(real, u.Path)
		}
	}
	if err != nil || !filepath.IsLocal(name) {
		return "", 0, outside()
	}
	// The root refuses links that lead out of it.
	root, err := os.OpenRoot(real)
	if err != nil {
		return "", 0, m.fileError(a, name, err)
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return "", 0, m.fileError(a, name, err)
	}
	if !info.Mode().IsRegular() {
		return "", 0, m.fileError(a, name, fmt.Errorf("it is not a regular file"))
	}
	file, err = filepath.EvalSymlinks(filepath.Join(real, name))
	if err != nil {
		return "", 0, m.fileError(a, name, err)
	}
	if inside, err := filepath.Rel(real, file); err != nil || !filepath.IsLocal(inside) {
		return "", 0, outside()
	}
	return file, info.Size(), nil
}

// fetchArgs reads an address and a hash.
func fetchArgs(c eval.Call) (f fetch, diags diag.List) {
	address, diags := c.Args[0].PlainText("url")
	hash, hashDiags := c.Args[1].PlainText("hash")
	diags = append(diags, hashDiags...)
	if diags.HasErrors() {
		return f, diags
	}
	if f.url, diags = parseAddress(c.Args[0], address); diags.HasErrors() {
		return f, diags
	}
	f.digest, diags = parseHash(c.Args[1], hash)
	f.name = objectName(path.Base(f.url.Path))
	f.of = fmt.Sprintf("%s(%q)", c.Name, f.url)
	return f, diags
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

func parseHash(a eval.Arg, hash string) (store.Digest, diag.List) {
	digest, err := store.ParseDigest(hash)
	if err != nil || !strings.HasPrefix(hash, "sha256:") {
		return digest, diag.Errorf(a.Range, "Invalid hash",
			"%q is not \"sha256:\" and 64 hexadecimal digits. To learn the hash of a file, run sha256sum on it.", hash)
	}
	return digest, nil
}

// withoutExtension removes the endings of archives: hello-1.0.tar.gz is
// hello-1.0.
func withoutExtension(name string) string {
	for _, ext := range []string{".gz", ".xz", ".zst", ".bz2", ".tgz", ".txz", ".tar", ".zip"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}
