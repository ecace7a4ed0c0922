package funcs

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"sysc/derivations/builtin"
	"sysc/internal/lazyregexp"
	"sysc/internal/ocifetch"
	"sysc/lang/diag"
	"sysc/lang/eval"
)

// ociSettings are what fetchoci can be told.
var ociSettings = []string{"image", "hash", "platform"}

const ociExample = "fetchoci({\n    image = \"ghcr.io/owner/name@sha256:…\"\n    hash  = \"sha256:…\"\n  })"

// platformPattern is how a platform is written.
var platformPattern = lazyregexp.New(`^[a-z0-9]+/[a-z0-9]+$`)

// fetchOCI makes a derivation that fetches an image, and one that makes a tree of it
// that builds can read. The hash is that of the root, owners and modes included.
func (m Module) fetchOCI(c eval.Call) (cty.Value, diag.List) {
	image, diags := m.ociArgs(c.Args[0])
	if diags.HasErrors() {
		return noPath, diags
	}
	label := fmt.Sprintf("fetchoci(%q)", image.Reference)
	d, attrs := image.Derivation()
	root, diags := m.add(c, d, attrs, label)
	if diags.HasErrors() {
		return noPath, diags
	}
	plain, _ := eval.Plain(root)
	d, attrs = builtin.CanonicalTree(d.Name, plain.AsString())
	return m.add(c, d, attrs, label)
}

// ociArgs reads the object that fetchoci takes.
func (m Module) ociArgs(a eval.Arg) (image builtin.ImageSource, diags diag.List) {
	given, diags := settingsOf(a, "fetchoci", ociSettings, ociExample, "image")
	if diags.HasErrors() {
		return image, diags
	}
	texts, diags := given.texts(a, ociSettings...)
	if diags.HasErrors() {
		return image, diags
	}
	if image.Reference, diags = imageReference(a, texts["image"]); diags.HasErrors() {
		return image, diags
	}
	image.Platform = m.Platform
	if text, ok := texts["platform"]; ok {
		if !platformPattern().MatchString(text) {
			return image, diag.Errorf(a.Range, "Wrong platform", "A platform is written like \"linux/amd64\", not %q.", text)
		}
		image.Platform = text
	}
	image.Root, diags = treeHash(a, texts["hash"])
	return image, diags
}

// imageReference reads the name of an image, which has a digest.
func imageReference(a eval.Arg, text string) (ocifetch.Reference, diag.List) {
	r, err := ocifetch.ParseReference(text)
	switch {
	case errors.Is(err, ocifetch.ErrPassword):
		// No range: the line would be shown, with the password in it.
		return r, diag.Errorf(diag.Range{}, "Password in the name of an image", "%v. It stands at %s.", err, a.Range)
	case err != nil:
		return r, diag.Errorf(a.Range, "Invalid name of an image", "%v.", err)
	case !r.HasDigest():
		return r, diag.Errorf(a.Range, "Image without digest",
			"What %q leads to may change, so a fetch needs the digest as well: image = \"%s@sha256:…\". An input of type \"oci\" has it in sysc.lock, found by sysc lock:\n\n  input %q {\n    type  = \"oci\"\n    image = %q\n  }",
			text, r, r.Name(), text)
	}
	return r, nil
}
