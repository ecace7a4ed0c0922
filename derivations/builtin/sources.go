package builtin

import (
	"net/url"
	"path"
	"strings"

	"sysc/derivations"
	"sysc/internal/gitfetch"
	"sysc/internal/ocifetch"
	"sysc/store"
)

// nameDigits is how many digits of a hash are in the name of what was fetched. A
// result known beforehand is found by name and digest, so an old digest beside a new
// hash is noticed and not taken for the new one.
const nameDigits = 12

// A FileSource is a file that is fetched.
type FileSource struct {
	URLs       []string // best first
	Name       string   // of the object
	SHA256     store.Digest
	Size       int64 // bytes, 0 when it is not known
	Executable bool
}

// Derivation returns what fetches the file, and its attributes.
func (f FileSource) Derivation() (derivations.Derivation, map[string]any) {
	attrs := map[string]any{"url": f.URLs[0]}
	if len(f.URLs) > 1 {
		attrs = map[string]any{"urls": f.URLs}
	}
	return derivations.Derivation{
		Name: f.Name, Platform: derivations.PlatformAny, Builder: BuilderFetch,
		Fixed: &derivations.Fixed{Kind: store.KindFile, Digest: f.SHA256, Size: f.Size, Executable: f.Executable},
	}, attrs
}

// Unpacked returns what makes a tree of an archive, the leading directory of its paths
// left out, and its attributes. archive is its path.
func Unpacked(name, archive string) (derivations.Derivation, map[string]any) {
	return derivations.Derivation{Name: name, Platform: derivations.PlatformAny, Builder: BuilderUnpack},
		map[string]any{"source": archive, "format": "archive", "strip": 1, "kind": "tree"}
}

// FileName is an object's name made of an address.
func FileName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ObjectName("")
	}
	return ObjectName(path.Base(u.Path))
}

// TreeName is the name of what is unpacked from an archive of a name: hello-1.0.tar.gz
// is hello-1.0.
func TreeName(archive string) string {
	for _, ending := range []string{".gz", ".xz", ".zst", ".bz2", ".tgz", ".txz", ".tar", ".zip"} {
		archive = strings.TrimSuffix(archive, ending)
	}
	return ObjectName(archive)
}

// A CommitSource is a commit that is fetched.
type CommitSource struct {
	Remote gitfetch.Remote
	Commit string
	// Ref leads to the commit, for servers that do not give commits by name; or "".
	Ref        string
	Submodules bool
	// Tree is what the files have to be; zero when nobody knows yet, and then the step
	// fails and tells it.
	Tree store.Digest
}

// Derivation returns what fetches the commit, and its attributes.
func (c CommitSource) Derivation() (derivations.Derivation, map[string]any) {
	attrs := map[string]any{"url": c.Remote.String(), "commit": c.Commit}
	if c.Ref != "" {
		attrs["ref"] = c.Ref
	}
	suffix := "-" + c.Commit[:nameDigits]
	if c.Submodules {
		attrs["submodules"] = true
		suffix += "-submodules"
	}
	return fixed(BuilderGit, sourceName(c.Remote.Name(), suffix), store.KindTree, c.Tree, attrs)
}

// An ImageSource is an image, or an artifact, that is fetched.
type ImageSource struct {
	// Reference has a digest.
	Reference ocifetch.Reference
	// Platform chooses from an index, as in "linux/amd64".
	Platform string
	// Root is what the image's root has to be; zero when nobody knows yet, and then the
	// step fails and tells it.
	Root store.Digest
}

// Derivation returns what fetches the image, and its attributes.
func (i ImageSource) Derivation() (derivations.Derivation, map[string]any) {
	digest := i.Reference.Digest.String()
	attrs := map[string]any{"image": i.Reference.Repository(), "digest": digest, "platform": i.Platform}
	_, digits, _ := strings.Cut(digest, ":")
	suffix := "-" + digits[:nameDigits] + "-" + strings.ReplaceAll(i.Platform, "/", "-")
	return fixed(BuilderImage, sourceName(i.Reference.Name(), suffix), store.KindRoot, i.Root, attrs)
}

// CanonicalTree returns what makes a tree that can be read below /sysc/store of a
// root, and its attributes.
func CanonicalTree(name, root string) (derivations.Derivation, map[string]any) {
	return derivations.Derivation{Name: name, Platform: derivations.PlatformAny, Builder: BuilderTree}, map[string]any{"source": root}
}

// fixed returns a step whose result is known beforehand, or is to be told.
func fixed(builder, name string, kind store.Kind, want store.Digest, attrs map[string]any) (derivations.Derivation, map[string]any) {
	if want.IsZero() {
		attrs["unknown"] = true
		text := "sysc-unknown-1\n" + builder + "\n"
		if a, err := derivations.MakeAttrs(attrs); err == nil { // always: these are texts
			text += string(a)
		}
		want = store.DigestOf([]byte(text)) // nothing has that
	}
	return derivations.Derivation{
		Name: name, Platform: derivations.PlatformAny, Builder: builder,
		Fixed: &derivations.Fixed{Kind: kind, Digest: want},
	}, attrs
}

// sourceName makes the name of an object of what its source is called.
func sourceName(name, suffix string) string {
	name = ObjectName(name)
	return name[:min(len(name), store.MaxNameLen-len(suffix))] + suffix
}

// ObjectName makes a legal name of an object from the name of a file or repository.
func ObjectName(s string) string {
	s = strings.Map(func(r rune) rune {
		if store.CheckName("x"+string(r)) != nil {
			return '_'
		}
		return r
	}, s)
	s = strings.TrimLeft(s, ".")
	if len(s) > store.MaxNameLen {
		s = s[len(s)-store.MaxNameLen:]
	}
	if store.CheckName(s) != nil {
		return "source"
	}
	return s
}
