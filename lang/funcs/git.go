package funcs

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/internal/gitfetch"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/store"
)

// gitSettings are what fetchgit can be told.
var gitSettings = []string{"url", "commit", "hash", "ref", "submodules"}

// A gitFetch is what a call of fetchgit wants to have.
type gitFetch struct {
	remote      gitfetch.Remote
	commit, ref string
	submodules  bool
	digest      store.Digest
	unknown     bool // digest is nothing that any tree has
}

// fetchGit makes a derivation that fetches the files of one commit. The hash is
// that of the tree which they are.
func (m Module) fetchGit(c eval.Call) (cty.Value, diag.List) {
	f, diags := m.gitArgs(c.Args[0])
	if diags.HasErrors() {
		return noPath, diags
	}
	attrs := map[string]any{"url": f.remote.String(), "commit": f.commit}
	if f.ref != "" {
		attrs["ref"] = f.ref
	}
	if f.submodules {
		attrs["submodules"] = true
	}
	if f.unknown {
		attrs["unknown"] = true
	}
	return m.add(c, derivations.Derivation{
		Name: f.name(), Platform: derivations.PlatformAny, Builder: builtin.BuilderGit,
		Fixed: &derivations.Fixed{Kind: store.KindTree, Digest: f.digest},
	}, attrs, fmt.Sprintf("fetchgit(%q)", f.remote))
}

// name says which commit it is, and whether submodules are in it. A result known
// beforehand is found by name and hash, so an old hash beside a new commit is
// noticed and not taken for the new one.
func (f gitFetch) name() string {
	const digits = 12
	name := "-" + f.commit[:digits]
	if f.submodules {
		name += "-submodules"
	}
	repository := objectName(f.remote.Name())
	return repository[:min(len(repository), store.MaxNameLen-len(name))] + name
}

// gitArgs reads the object that fetchgit takes.
func (m Module) gitArgs(a eval.Arg) (f gitFetch, diags diag.List) {
	settings, diags := gitObject(a)
	if diags.HasErrors() {
		return f, diags
	}
	texts := map[string]string{}
	for _, name := range gitSettings {
		v, ok := settings[name]
		if !ok || name == "submodules" {
			continue
		}
		text, more := eval.Arg{Value: v, Range: a.Range}.PlainText(name)
		diags = append(diags, more...)
		texts[name] = text
	}
	if v, ok := settings["submodules"]; ok {
		plain, _ := eval.Plain(v)
		b, err := convert.Convert(plain, cty.Bool)
		if err != nil || !b.IsKnown() {
			diags = append(diags, diag.Errorf(a.Range, "Invalid function argument", "submodules is true or false.")...)
			return f, diags
		}
		f.submodules = b.True()
	}
	if diags.HasErrors() {
		return f, diags
	}
	f.commit, f.ref = texts["commit"], texts["ref"]
	if err := gitfetch.CheckCommit(f.commit); err != nil {
		return f, diag.Errorf(a.Range, "Invalid commit", "%v. To learn what a branch or tag leads to, run git ls-remote on the address.", err)
	}
	if f.ref != "" {
		if err := gitfetch.CheckRef(f.ref); err != nil {
			return f, diag.Errorf(a.Range, "Invalid ref", "%v.", err)
		}
	}
	if f.remote, diags = m.gitRemote(a, texts["url"]); diags.HasErrors() {
		return f, diags
	}
	return f, f.readHash(a, texts["hash"])
}

// readHash reads the hash. Without one the fetch gets a digest of its own that
// nothing has: then the build fails and says what to write.
func (f *gitFetch) readHash(a eval.Arg, hash string) diag.List {
	if hash == "" {
		f.unknown = true
		f.digest = store.DigestOf(fmt.Appendf(nil, "sysc-unknown-1\n%s\n%s\n%t\n", f.remote, f.commit, f.submodules))
		return nil
	}
	var err error
	f.digest, err = store.ParseDigest(hash)
	if err != nil || !strings.HasPrefix(hash, "sha256:") {
		return diag.Errorf(a.Range, "Invalid hash",
			"%q is not \"sha256:\" and 64 hexadecimal digits. To learn the hash, leave it out and build: the message has it.", hash)
	}
	return nil
}

// gitObject returns the settings that are given and not null.
func gitObject(a eval.Arg) (map[string]cty.Value, diag.List) {
	v, marks := a.Value.Unmark()
	if ty := v.Type(); v.IsNull() || !v.IsKnown() || !ty.IsObjectType() && !ty.IsMapType() {
		return nil, diag.Errorf(a.Range, "Invalid function argument",
			"fetchgit takes an object, as in\n\n  fetchgit({\n    url    = \"https://example.org/hello.git\"\n    commit = \"…\"\n    hash   = \"sha256:…\"\n  })")
	}
	settings := map[string]cty.Value{}
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		name := key.AsString()
		if !slices.Contains(gitSettings, name) {
			return nil, diag.Errorf(a.Range, "Unsupported argument", "fetchgit has no setting %q.%s", name, diag.DidYouMean(name, gitSettings))
		}
		if plain, _ := value.Unmark(); !plain.IsNull() {
			settings[name] = value.WithMarks(marks)
		}
	}
	for _, name := range []string{"url", "commit"} {
		if _, ok := settings[name]; !ok {
			return nil, diag.Errorf(a.Range, "Missing argument", "fetchgit needs %s.", name)
		}
	}
	return settings, nil
}

// gitRemote checks an address. Of this machine only repositories of the module
// can be had: what a definition gives depends on nothing else here.
func (m Module) gitRemote(a eval.Arg, address string) (gitfetch.Remote, diag.List) {
	const inModule = "file://./"
	if name, ok := strings.CutPrefix(address, inModule); ok {
		return m.gitModuleDir(a, name)
	}
	if strings.HasPrefix(address, "file:") {
		return gitfetch.Remote{}, diag.Errorf(a.Range, "File outside of the module",
			"%q names no directory of the module, and a definition reads no others. Write file://./NAME for one beside the definition.", address)
	}
	remote, err := gitfetch.ParseRemote(address)
	if errors.Is(err, gitfetch.ErrPassword) {
		// No range: the line would be shown, with the password in it.
		return remote, diag.Errorf(diag.Range{}, "Password in an address", "%v. It stands at %s.", err, a.Range)
	}
	if err != nil {
		return remote, diag.Errorf(a.Range, "Invalid address", "%v.", err)
	}
	return remote, nil
}

// gitModuleDir returns the remote of a repository in the module.
func (m Module) gitModuleDir(a eval.Arg, name string) (gitfetch.Remote, diag.List) {
	dir, _, diags := m.modulePath(a, &url.URL{Scheme: "file", Host: ".", Path: "/" + name}, true)
	if diags.HasErrors() {
		return gitfetch.Remote{}, diags
	}
	remote, err := gitfetch.ParseRemote((&url.URL{Scheme: "file", Path: dir}).String())
	if err != nil {
		return remote, diag.Errorf(a.Range, "Invalid address", "%v.", err)
	}
	return remote, nil
}
