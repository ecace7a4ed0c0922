package funcs

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"sysc/derivations/builtin"
	"sysc/internal/gitfetch"
	"sysc/lang/diag"
	"sysc/lang/eval"
	"sysc/store"
)

// gitSettings are what fetchgit can be told.
const gitExample = "fetchgit({\n    url    = \"https://example.org/hello.git\"\n    commit = \"…\"\n    hash   = \"sha256:…\"\n  })"

var gitSettings = []string{"url", "commit", "hash", "ref", "submodules"}

// fetchGit makes a derivation that fetches the files of one commit. The hash is
// that of the tree which they are.
func (m Module) fetchGit(c eval.Call) (cty.Value, diag.List) {
	f, diags := m.gitArgs(c.Args[0])
	if diags.HasErrors() {
		return noPath, diags
	}
	d, attrs := f.Derivation()
	return m.add(c, d, attrs, fmt.Sprintf("fetchgit(%q)", f.Remote))
}

// gitArgs reads the object that fetchgit takes.
func (m Module) gitArgs(a eval.Arg) (f builtin.CommitSource, diags diag.List) {
	settings, diags := settingsOf(a, "fetchgit", gitSettings, gitExample, "url", "commit")
	if diags.HasErrors() {
		return f, diags
	}
	texts, diags := settings.texts(a, "url", "commit", "hash", "ref")
	if v, ok := settings["submodules"]; ok {
		plain, _ := eval.Plain(v)
		b, err := convert.Convert(plain, cty.Bool)
		if err != nil || !b.IsKnown() {
			diags = append(diags, diag.Errorf(a.Range, "Invalid function argument", "submodules is true or false.")...)
			return f, diags
		}
		f.Submodules = b.True()
	}
	if diags.HasErrors() {
		return f, diags
	}
	f.Commit, f.Ref = texts["commit"], texts["ref"]
	if err := gitfetch.CheckCommit(f.Commit); err != nil {
		return f, diag.Errorf(a.Range, "Invalid commit", "%v. To learn what a branch or tag leads to, run git ls-remote on the address.", err)
	}
	if f.Ref != "" {
		if err := gitfetch.CheckRef(f.Ref); err != nil {
			return f, diag.Errorf(a.Range, "Invalid ref", "%v.", err)
		}
	}
	if f.Remote, diags = m.gitRemote(a, texts["url"]); diags.HasErrors() {
		return f, diags
	}
	f.Tree, diags = treeHash(a, texts["hash"])
	return f, diags
}

// treeHash reads the hash of what is fetched. Without one the fetch fails when it is
// built, and says what to write.
func treeHash(a eval.Arg, hash string) (digest store.Digest, diags diag.List) {
	if hash == "" {
		return digest, nil
	}
	digest, err := store.ParseDigest(hash)
	if err != nil || !strings.HasPrefix(hash, "sha256:") || digest.IsZero() {
		return digest, diag.Errorf(a.Range, "Invalid hash",
			"%q is not \"sha256:\" and 64 hexadecimal digits. To learn the hash, leave it out and build: the message has it.", hash)
	}
	return digest, nil
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
