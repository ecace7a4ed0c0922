package derivations

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"sysc/store"
)

// A Graph is a set of derivations that name one another by placeholders, and of
// the sources they use. Derivations are added inputs first, so it has no cycles.
//
// Adding must happen in one goroutine at a time; reading is safe from many when
// nothing is added meanwhile.
type Graph struct {
	nodes   map[Hash]*node
	order   []Hash
	outputs map[string]output     // by the id of the placeholder
	sources map[string]store.Path // by id
	source  map[store.Path]Source
	// unindexed is how many of order are not in outputs: a graph that was read from a
	// snapshot gets them when somebody needs one.
	unindexed int
	index     sync.Once
	watcher   Watcher
	// read is the snapshot that the graph was read from, "" for none.
	read string
	// written is a snapshot of all derivations, nil for none, of when there were so many.
	written struct {
		sync.Mutex
		data  []byte
		count int
	}
}

// A Watcher is told what is added to a graph, and what was there already.
type Watcher interface {
	Added(h Hash, o Origin)
	AddedSource(p store.Path)
	// Revised is called when something is added that is there already and not quite the
	// same: what the graph keeps then depends on which came first.
	Revised()
}

// Watch lets w see what is added from now on.
func (g *Graph) Watch(w Watcher) { g.watcher = w }

type node struct {
	derivation *Derivation
	origin     Origin
	position   int // in the order
}

type output struct {
	ref  Ref
	text string // the placeholder
}

// NewGraph returns an empty graph.
func NewGraph() *Graph {
	return &Graph{
		nodes:   make(map[Hash]*node),
		outputs: make(map[string]output),
		sources: make(map[string]store.Path),
		source:  make(map[store.Path]Source),
	}
}

// Add checks d, finds its inputs in its texts, and adds it. Adding a derivation
// that the graph has already changes nothing, and the first origin stays.
//
// The texts are Args, the values of Env, Attrs, Root and the lists of Limits. A placeholder of this
// graph makes an input, any other store path a source. The graph keeps a copy of
// d, so the caller may go on using it.
func (g *Graph) Add(d Derivation, o Origin) (Hash, error) {
	if err := d.check(); err != nil {
		return Hash{}, fmt.Errorf("add derivation %q: %w", d.Name, err)
	}
	d.Args = slices.Clone(d.Args)
	d.Env = maps.Clone(d.Env)
	d.Attrs = bytes.Clone(d.Attrs)
	if d.Outputs != nil {
		d.Outputs = slices.Clone(d.Outputs)
		slices.Sort(d.Outputs)
		if len(d.Outputs) == 1 && d.Outputs[0] == DefaultOutput {
			d.Outputs = nil
		}
	}
	if d.Fixed != nil {
		fixed := *d.Fixed
		d.Fixed = &fixed
	}
	d.Sources = slices.Clone(d.Sources)
	d.Limits = d.Limits.replaced(func(text string) string { return text })
	if err := g.findInputs(&d); err != nil {
		return Hash{}, fmt.Errorf("add derivation %q: %w", d.Name, err)
	}
	return g.insert(&d, o)
}

func (g *Graph) insert(d *Derivation, o Origin) (Hash, error) {
	h := d.Hash()
	if g.watcher != nil {
		g.watcher.Added(h, o)
	}
	if known, ok := g.nodes[h]; ok {
		// The size is no part of the identity, but good to know.
		if g.watcher != nil && d.Fixed != nil && !reflect.DeepEqual(known.derivation, d) {
			g.watcher.Revised()
		}
		if d.Fixed != nil && known.derivation.Fixed.Size == 0 {
			known.derivation.Fixed.Size = d.Fixed.Size
			g.read, g.written.data = "", nil
		}
		return h, nil
	}
	g.nodes[h] = &node{derivation: d, origin: o, position: len(g.order)}
	g.order = append(g.order, h)
	g.addOutputs(h, d)
	return h, nil
}

// Take adds a derivation as another graph has it, with an origin of its own. It
// returns false when that has none of the hash, or this one not all of its inputs.
func (g *Graph) Take(from *Graph, h Hash, o Origin) bool {
	n, ok := from.nodes[h]
	if !ok {
		return false
	}
	if g.watcher != nil {
		g.watcher.Added(h, o)
	}
	if _, ok := g.nodes[h]; ok {
		return true
	}
	for _, in := range n.derivation.Inputs {
		if _, ok := g.nodes[in.Derivation]; !ok {
			return false
		}
	}
	g.nodes[h] = &node{derivation: n.derivation, origin: o, position: len(g.order)}
	g.order = append(g.order, h)
	g.addOutputs(h, n.derivation)
	return true
}

// Borrow adds a derivation as another graph has it, if it has it, without its inputs and
// without telling the watcher. That gives a graph in which derivations can be made that
// need it, and nothing that can be built.
func (g *Graph) Borrow(from *Graph, h Hash) bool {
	n, ok := from.nodes[h]
	if !ok {
		return false
	}
	if _, there := g.nodes[h]; !there {
		g.nodes[h] = &node{derivation: n.derivation, origin: n.origin, position: len(g.order)}
		g.order = append(g.order, h)
		g.addOutputs(h, n.derivation)
	}
	return true
}

// TakeSource adds a source as another graph has it, if it has it.
func (g *Graph) TakeSource(from *Graph, p store.Path) bool {
	s, ok := from.source[p]
	if ok {
		g.putSource(p, s)
	}
	return ok
}

func (g *Graph) putSource(p store.Path, s Source) {
	if g.watcher != nil {
		g.watcher.AddedSource(p)
	}
	known, ok := g.source[p]
	if !ok {
		g.source[p] = s
		g.sources[p.ID()] = p
	} else if g.watcher != nil && !reflect.DeepEqual(known, s) {
		g.watcher.Revised()
	}
}

func (g *Graph) addOutputs(h Hash, d *Derivation) {
	for _, name := range d.OutputNames() {
		ref := Ref{Derivation: h, Output: name}
		text := placeholder(placeholderID(ref), d, name)
		g.outputs[text[len(dirPrefix):len(dirPrefix)+store.IDLen]] = output{ref: ref, text: text}
	}
}

func placeholder(id string, d *Derivation, output string) string {
	return dirPrefix + id + "-" + d.ObjectName(output)
}

// output returns what a placeholder's id stands for.
func (g *Graph) output(id string) (output, bool) {
	g.index.Do(func() {
		for _, h := range g.order[:g.unindexed] {
			g.addOutputs(h, g.nodes[h].derivation)
		}
	})
	out, ok := g.outputs[id]
	return out, ok
}

// findInputs sets Inputs and completes Sources from what the texts name.
func (g *Graph) findInputs(d *Derivation) error {
	var refs []Ref
	paths := d.Sources
	var err error
	d.texts(func(text string) {
		eachPath(text, func(at int) {
			ref, path, scanErr := g.pathAt(text, at)
			switch {
			case scanErr != nil && err == nil:
				err = scanErr
			case path != "":
				paths = append(paths, path)
			case ref.Output != "":
				refs = append(refs, ref)
			}
		})
	})
	slices.SortFunc(refs, compareRefs)
	slices.Sort(paths)
	d.Inputs, d.Sources = exactly(slices.Compact(refs)), exactly(slices.Compact(paths))
	return err
}

// exactly copies a list without room for more, and nothing to nil: a graph may have
// very many.
func exactly[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return append(make([]T, 0, len(list)), list...)
}

// pathAt tells what the id at text[at] names: an output of the graph, another
// store path, or nothing at all.
func (g *Graph) pathAt(text string, at int) (Ref, store.Path, error) {
	id := text[at : at+store.IDLen]
	if out, ok := g.output(id); ok {
		if path := out.text[len(dirPrefix):]; !strings.HasPrefix(text[at:], path) {
			end := min(len(text), at+len(path))
			return Ref{}, "", fmt.Errorf("text has %q, which is a damaged form of %q", text[at:end], path)
		}
		return out.ref, "", nil
	}
	if p, ok := g.sources[id]; ok && strings.HasPrefix(text[at:], string(p)) {
		return Ref{}, p, nil
	}
	p, _ := pathAt(text, at)
	return Ref{}, p, nil
}

// Placeholder returns the text that stands for an output until it is known: a
// logical store path, as long as the real one will be, that nothing else in the
// world is called.
func (g *Graph) Placeholder(r Ref) (string, error) {
	n, ok := g.nodes[r.Derivation]
	if !ok {
		return "", fmt.Errorf("placeholder of %s: no such derivation in the graph", r.Derivation)
	}
	d := n.derivation
	if !slices.Contains(d.OutputNames(), r.Output) {
		return "", fmt.Errorf("placeholder of %q: no output %q, it has %s", d.Name, r.Output, strings.Join(d.OutputNames(), ", "))
	}
	id := placeholderID(r)
	if g.unindexed == 0 {
		return g.outputs[id].text, nil // one string for all who ask
	}
	return placeholder(id, d, r.Output), nil
}

// Derivation returns the derivation with a hash. It must not be changed.
func (g *Graph) Derivation(h Hash) (*Derivation, bool) {
	n, ok := g.nodes[h]
	if !ok {
		return nil, false
	}
	return n.derivation, true
}

// Position returns where a derivation stands among [Graph.Hashes].
func (g *Graph) Position(h Hash) (int, bool) {
	n, ok := g.nodes[h]
	if !ok {
		return 0, false
	}
	return n.position, true
}

// Origin returns where a derivation comes from, empty when that is not known.
func (g *Graph) Origin(h Hash) Origin {
	if n, ok := g.nodes[h]; ok {
		return n.origin
	}
	return Origin{}
}

// Len returns the number of derivations.
func (g *Graph) Len() int { return len(g.order) }

// Hashes returns all derivations in the order in which they were added: inputs
// come before what uses them.
func (g *Graph) Hashes() []Hash { return slices.Clone(g.order) }

// Behind returns the derivations that refs name and all that these need, in the order
// of [Graph.Hashes]. What the graph does not have is left out.
func (g *Graph) Behind(refs []Ref) []Hash {
	reached := make([]bool, len(g.order)) // by position
	count := 0
	for todo := slices.Clone(refs); len(todo) > 0; {
		n, ok := g.nodes[todo[len(todo)-1].Derivation]
		todo = todo[:len(todo)-1]
		if ok && !reached[n.position] {
			reached[n.position] = true
			count++
			todo = append(todo, n.derivation.Inputs...)
		}
	}
	out := make([]Hash, 0, count)
	for i, h := range g.order {
		if reached[i] {
			out = append(out, h)
		}
	}
	return out
}

// Sort puts derivations of the graph in the order of [Graph.Hashes].
func (g *Graph) Sort(hashes []Hash) {
	slices.SortFunc(hashes, func(a, b Hash) int { return cmp.Compare(g.nodes[a].position, g.nodes[b].position) })
}

// Refs returns the outputs whose placeholders stand in a text, each once, in the
// order of their first occurrence.
func (g *Graph) Refs(text string) []Ref {
	var refs []Ref
	eachPath(text, func(at int) {
		if ref, _, err := g.pathAt(text, at); err == nil && ref.Output != "" && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	})
	return refs
}

func compareRefs(a, b Ref) int {
	return cmp.Or(bytes.Compare(a.Derivation[:], b.Derivation[:]), strings.Compare(a.Output, b.Output))
}
