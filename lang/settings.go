package lang

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"sysc/lang/diag"
	"sysc/lang/syntax"
	"sysc/store/sign"
)

// CacheSettings are what sysc blocks say about caches.
type CacheSettings struct {
	// Addresses begin with https://, http:// or file://, best first. A file://./DIR is
	// below the definition's directory.
	Addresses []string
	// Keys are those whose word counts, as sign.ParsePublicKey reads them.
	Keys []string
}

// settingsSchema is what a sysc block has.
var settingsSchema = syntax.Schema{Attrs: []syntax.AttrSchema{{Name: "required_version"}, {Name: "caches"}, {Name: "trusted_keys"}}}

// caches reads the settings of all sysc blocks.
func (d *Definition) caches() diag.List {
	var diags diag.List
	var first *syntax.Attr
	var keys []sign.PublicKey
	for _, b := range d.Settings {
		if a := b.Body.Attr("caches"); a != nil {
			first = a
			diags = append(diags, eachText(a, "the address of a cache", func(x *syntax.Expr, text string) diag.List {
				d.Caches.Addresses = append(d.Caches.Addresses, text)
				return checkCache(x.Range(), text)
			})...)
		}
		if a := b.Body.Attr("trusted_keys"); a != nil {
			diags = append(diags, eachText(a, "a public key", func(x *syntax.Expr, text string) diag.List {
				key, err := sign.ParsePublicKey([]byte(text))
				if err == nil {
					keys = append(keys, key)
					_, err = sign.Trust(keys...)
				}
				if err != nil {
					return diag.Errorf(x.Range(), "Invalid key",
						"This is no key that could be trusted: %v. What sysc store generate-key NAME prints, and writes to NAME.pub, is one.", err)
				}
				d.Caches.Keys = append(d.Caches.Keys, text)
				return nil
			})...)
		}
	}
	if first != nil && len(d.Caches.Addresses) > 0 && len(d.Caches.Keys) == 0 && !diags.HasErrors() {
		diags = append(diags, diag.Errorf(first.NameRange, "Caches without keys",
			"Nothing of a cache is used that no trusted key vouches for, and there is none. Name the keys of those who fill it:\n\n  trusted_keys = [\"NAME:…\"]")...)
	}
	return diags
}

// eachText calls fn for each element of a list of texts that are written out.
func eachText(a *syntax.Attr, what string, fn func(x *syntax.Expr, text string) diag.List) diag.List {
	elements, ok := a.Expr.Elements()
	if !ok {
		return diag.Errorf(a.Expr.Range(), "Static value required",
			"%s is read before anything is evaluated: it is a list with %s in quotes in each element.", a.Name, what)
	}
	var diags diag.List
	for _, x := range elements {
		text, ok := x.StringLiteral()
		if !ok {
			diags = append(diags, diag.Errorf(x.Range(), "Static value required",
				"%s is read before anything is evaluated: each element is %s in quotes, without names in it.", a.Name, what)...)
			continue
		}
		diags = append(diags, fn(x, text)...)
	}
	return diags
}

// checkCache reports why a text cannot be the address of a cache.
func checkCache(rng diag.Range, text string) diag.List {
	const form = "A cache is a directory that a web server has, as in \"https://cache.example.org/sysc\", or one of this machine: \"file:///var/cache/sysc\", or \"file://./cache\" below the definition."
	u, err := url.Parse(text)
	switch {
	case err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme), u.RawQuery != "", u.Fragment != "":
		return diag.Errorf(rng, "Invalid address", "%s", form)
	case u.User != nil:
		return diag.Errorf(rng, "Password in an address", "Definitions can be read by others. Put name and password into ~/.netrc.")
	case u.Scheme == "file":
		path := strings.TrimPrefix(text, "file://")
		if !strings.HasPrefix(path, "/") && !(strings.HasPrefix(path, "./") && filepath.IsLocal(path)) {
			return diag.Errorf(rng, "Invalid address", "%s", form)
		}
	case u.Host == "":
		return diag.Errorf(rng, "Invalid address", "%s", form)
	}
	return nil
}
