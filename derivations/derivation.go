package derivations

import (
	"crypto/sha256"
	"encoding/hex"

	"sysc/store"
)

// A Hash identifies a derivation as evaluated, with placeholders in it.
type Hash [sha256.Size]byte

// String returns 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// DefaultOutput is the name of the output of a derivation that does not name
// its outputs.
const DefaultOutput = "out"

// A Ref names one output of a derivation of a graph.
type Ref struct {
	Derivation Hash
	Output     string
}

// A Derivation is a pure build step. It is data; every field is part of its
// hash. Add it to a [Graph] to get a [Ref], and do not change it afterwards.
type Derivation struct {
	// Name is for people, and the name of the objects it makes. See
	// store.CheckName.
	Name string
	// Platform is "linux/amd64" and the like, or "any" when the result does not
	// depend on where the step runs.
	Platform string
	// Builder is "exec" for a program in the sandbox, or the name of a builtin
	// step as in "builtin:fetch".
	Builder string
	// Args is the argument vector of an exec step, program first. Builtin steps
	// have none.
	Args []string
	// Env are the environment variables of an exec step, beside those that the
	// sandbox always sets.
	Env map[string]string
	// Attrs are the structured attributes: what a builtin step is told, and what
	// an exec step finds as JSON in $SYSC_ATTRS_FILE, and as variables of a shell in
	// $SYSC_ATTRS_SH, when there are any.
	Attrs Attrs
	// Root is the root object that an exec step runs in: a placeholder or a
	// logical store path.
	Root string
	// WritableRoot lets an exec step change its root as (pretended) superuser;
	// the root as the step leaves it is its only output, of kind store.KindRoot.
	WritableRoot bool
	// Inputs are the outputs of other derivations that the texts name.
	// [Graph.Add] fills it in, sorted; what a caller sets is ignored.
	Inputs []Ref
	// Sources are store objects that are inputs by path: files of a module, or
	// whatever inputs were resolved to. [Graph.Add] adds those that the texts
	// name; sorted.
	Sources []store.Path
	// Outputs are the names of the outputs, sorted; nil means [DefaultOutput].
	Outputs []string
	// Limits are what the outputs may refer to and how large they may be. What
	// they name is an input.
	Limits Limits
	// RunLimits bound the step while it runs. They say nothing about what it makes,
	// and are not part of the hash of a resolved derivation.
	RunLimits RunLimits
	// Fixed is set when the result is known beforehand. Only such a step may use
	// the network, and only its name and Fixed identify it.
	Fixed *Fixed
}

// Attrs is a JSON object in canonical form: keys sorted, no white space, no
// floating-point numbers, no key twice. [MakeAttrs] makes it. Empty means none.
type Attrs []byte

// Origin says which text of a definition a derivation comes from. It is for
// messages and not part of any hash.
type Origin struct {
	// Label is the address in the definition, as in "system.laptop" or
	// "derivation.hello".
	Label string
	// Position is "file:line,column", or "" when there is none.
	Position string
	// Places are the positions of parts of it, by what its builder calls them in
	// messages; nil when they are where the whole is.
	Places map[string]string
}
