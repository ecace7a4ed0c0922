package lang

import (
	"github.com/zclconf/go-cty/cty"

	"sysc/derivations"
	"sysc/lang/diag"
)

// A Host knows what evaluation cannot: what inputs were resolved to, and how
// packages become a root. Package modules implements it on the lock file.
type Host interface {
	// Input returns the attributes of an input that expressions may read, such as
	// revision. from is the text that asks.
	Input(name string, from diag.Range) (cty.Value, diag.List)
	// Environment returns the path, with placeholder, of a root that has some
	// packages installed.
	Environment(req EnvironmentRequest) (root string, diags diag.List)
}

// An EnvironmentRequest asks for a root.
type EnvironmentRequest struct {
	// Platform is that of what runs in it, as "linux/amd64".
	Platform string
	// Base is the name of the input that packages without one belong to.
	Base string
	// Packages are in the order of the text.
	Packages []Package
	// Exported is set for the root of an environment block: in a list of packages its
	// path stands for its packages.
	Exported bool
	// Origin is what needs the root, and Range where its packages are named.
	Origin derivations.Origin
	Range  diag.Range
}

// A Package is one element of a list of packages.
type Package struct {
	// Input and Name are of a package of an input. Input is "" for the base.
	Input, Name string
	// Path is that of a derivation's output that stands in the list instead; Name
	// is empty then.
	Path string
	// Range is where it is named.
	Range diag.Range
}
