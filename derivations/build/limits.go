package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sysc/derivations"
	"sysc/internal/bytesize"
	"sysc/store"
	"sysc/store/localstore"
)

// maxBroken is how many broken limits of one step are shown.
const maxBroken = 5

// A ReferenceError says that an output depends on what its derivation's limits
// forbid.
type ReferenceError struct {
	// Output is its name, and Path that of the object, which is not valid.
	Output string
	Path   store.Path
	// Limit is the name of the limit, as in derivations.AllowedReferences.
	Limit string
	// Object is what must not be there.
	Object store.Path
	// Chain leads from Path to Object, by as few references as possible.
	Chain []localstore.Edge
}

// Error shows the chain, a line for each object and one for each file.
func (e *ReferenceError) Error() string {
	verb, lists := "refers to", "does not list"
	if e.Limit == derivations.AllowedRequisites || e.Limit == derivations.DisallowedRequisites {
		verb = "depends on"
	}
	if e.Limit == derivations.DisallowedReferences || e.Limit == derivations.DisallowedRequisites {
		lists = "lists"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "output %q %s %s, which %s %s\n  %s", e.Output, verb, e.Object.Logical(), e.Limit, lists, e.Path.Logical())
	for i, hop := range e.Chain {
		indent := "\n" + strings.Repeat("   ", i)
		fmt.Fprintf(&b, "%s  └─ %s%s     by %s", indent, hop.To.Logical(), indent, place(hop))
	}
	return b.String()
}

// place says where a reference stands.
func place(e localstore.Edge) string {
	file := e.File
	if quoted := strconv.Quote(file); quoted[1:len(quoted)-1] != file {
		file = quoted // a name must not drive a terminal
	}
	switch {
	case file == "":
		return "a reference added by its maker"
	case e.Link:
		return "the target of the link " + file
	case e.Name:
		return "the name of " + file
	}
	return file
}

// A SizeError says that an output is larger than its derivation's limits allow.
type SizeError struct {
	// Output is its name, and Path that of the object, which is not valid.
	Output string
	Path   store.Path
	// Limit is derivations.MaxSize or derivations.MaxClosureSize.
	Limit string
	// Have and Want are in bytes: what it has, and the most that it may.
	Have, Want int64
	// Largest are the objects that contribute most to a closure, the largest
	// first. There are none for the size of the output alone.
	Largest []store.Object
}

func (e *SizeError) Error() string {
	var b strings.Builder
	with := ""
	if e.Limit == derivations.MaxClosureSize {
		with = " with all that it depends on"
	}
	fmt.Fprintf(&b, "output %q has %s%s, and %s allows %s", e.Output, bytesize.FormatExact(e.Have), with, e.Limit, bytesize.FormatExact(e.Want))
	if len(e.Largest) > 0 {
		b.WriteString("; the largest are")
	}
	for _, o := range e.Largest {
		fmt.Fprintf(&b, "\n  %s, %s", o.Path.Logical(), bytesize.FormatExact(o.Size))
	}
	return b.String()
}

// A limitCheck compares what a step made with the limits of its derivation.
type limitCheck struct {
	store  Store
	limits *derivations.Limits
	made   map[store.Path]store.Object // the outputs, none of them valid yet
	broken []error
	more   int // broken limits beyond maxBroken
}

// checkLimits reports which limits of a resolved derivation its objects break. It
// costs nothing when there are none.
func (r *realiser) checkLimits(ctx context.Context, j *job, objects map[string]store.Object) error {
	limits := &j.resolved.Limits
	if limits.IsZero() {
		return nil
	}
	c := &limitCheck{store: r.store, limits: limits, made: make(map[store.Path]store.Object)}
	for _, o := range objects {
		c.made[o.Path] = o
	}
	rules, err := c.rules(objects)
	if err != nil {
		return err
	}
	for _, name := range j.d.OutputNames() {
		if err := c.output(ctx, name, objects[name], rules); err != nil {
			return fmt.Errorf("check limits of output %q: %w", name, err)
		}
	}
	if c.more > 0 {
		c.broken = append(c.broken, fmt.Errorf("and %d more", c.more))
	}
	return errors.Join(c.broken...)
}

// A rule is one list of the limits.
type rule struct {
	limit   string
	allowed bool // what is listed, rather than what is not
	direct  bool // is about references, not requisites
	listed  map[store.Path]bool
}

func (r *rule) forbids(p store.Path) bool { return r.listed[p] != r.allowed }

// rules reads the lists that there are.
func (c *limitCheck) rules(objects map[string]store.Object) ([]rule, error) {
	var rules []rule
	for _, l := range []struct {
		rule
		list *[]string
	}{
		{rule{limit: derivations.AllowedReferences, allowed: true, direct: true}, c.limits.References},
		{rule{limit: derivations.AllowedRequisites, allowed: true}, c.limits.Requisites},
		{rule{limit: derivations.DisallowedReferences, direct: true}, &c.limits.DisallowedReferences},
		{rule{limit: derivations.DisallowedRequisites}, &c.limits.DisallowedRequisites},
	} {
		if l.list == nil || !l.allowed && len(*l.list) == 0 {
			continue
		}
		l.listed = make(map[store.Path]bool)
		for p := range c.made {
			l.listed[p] = l.allowed
		}
		for _, text := range *l.list {
			p, err := listed(text, objects)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.limit, err)
			}
			l.listed[p] = true
		}
		rules = append(rules, l.rule)
	}
	return rules, nil
}

// listed returns the object that an element of a list stands for.
func listed(text string, objects map[string]store.Object) (store.Path, error) {
	if o, ok := objects[text]; ok {
		return o.Path, nil
	}
	p, _, err := store.ParseLogical(text)
	return p, err
}

// output checks one output.
func (c *limitCheck) output(ctx context.Context, name string, o store.Object, rules []rule) error {
	if most := c.limits.MaxSize; most > 0 && o.Size > most && !c.full() {
		c.broken = append(c.broken, &SizeError{Output: name, Path: o.Path, Limit: derivations.MaxSize, Have: o.Size, Want: most})
	}
	reached, err := c.reach(ctx, o, rules)
	if err != nil {
		return err
	}
	for i, one := range reached[1:] {
		for _, r := range rules {
			if r.direct && one.from != 0 || !r.forbids(one.Path) {
				continue
			}
			if c.full() {
				continue
			}
			chain, err := c.chain(ctx, reached, i+1)
			if err != nil {
				return err
			}
			c.broken = append(c.broken, &ReferenceError{Output: name, Path: o.Path, Limit: r.limit, Object: one.Path, Chain: chain})
		}
	}
	if most := c.limits.MaxClosureSize; most > 0 {
		c.closureSize(name, reached, most)
	}
	return nil
}

// full reports whether one more broken limit is only counted, and counts it then.
func (c *limitCheck) full() bool {
	if len(c.broken) < maxBroken {
		return false
	}
	c.more++
	return true
}

// A reachedObject is an object that an output depends on, and the position of
// the one before it on a shortest way there.
type reachedObject struct {
	store.Object
	from int
}

// reach returns an output and what it depends on as far as anybody asks: its
// closure, or only what it refers to. The output is the first; then it is breadth
// first, and sorted within what one object refers to.
func (c *limitCheck) reach(ctx context.Context, o store.Object, rules []rule) ([]reachedObject, error) {
	all := c.limits.MaxClosureSize > 0 || slices.ContainsFunc(rules, func(r rule) bool { return !r.direct })
	reached := []reachedObject{{Object: o}}
	seen := map[store.Path]bool{o.Path: true}
	for i := 0; i < len(reached) && (i == 0 || all); i++ {
		for _, ref := range reached[i].References {
			if seen[ref] {
				continue
			}
			seen[ref] = true
			target, ok := c.made[ref]
			if !ok {
				var err error
				if target, err = c.store.Object(ctx, ref); err != nil {
					return nil, err
				}
			}
			reached = append(reached, reachedObject{target, i})
		}
	}
	return reached, nil
}

// chain returns the way to the i-th object with the file for each hop.
func (c *limitCheck) chain(ctx context.Context, reached []reachedObject, i int) ([]localstore.Edge, error) {
	var chain []localstore.Edge
	for ; i > 0; i = reached[i].from {
		hop, err := c.store.FindReference(ctx, reached[reached[i].from].Object, reached[i].Path)
		if err != nil {
			return nil, err
		}
		chain = append(chain, hop)
	}
	slices.Reverse(chain)
	return chain, nil
}

// maxLargest is how many parts of a closure that is too large are shown.
const maxLargest = 5

// closureSize compares the sizes of an output and all that it depends on with the
// most that they may be together.
func (c *limitCheck) closureSize(name string, closure []reachedObject, most int64) {
	have := int64(0)
	var objects []store.Object
	for _, one := range closure {
		have += one.Size
		objects = append(objects, one.Object)
	}
	if have <= most || c.full() {
		return
	}
	slices.SortFunc(objects, func(a, b store.Object) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Path, b.Path))
	})
	c.broken = append(c.broken, &SizeError{
		Output: name, Path: closure[0].Path, Limit: derivations.MaxClosureSize, Have: have, Want: most,
		Largest: objects[:min(len(objects), maxLargest)],
	})
}
