package option

// A Constant is a [Source] that can tell that its value is the same for everybody,
// and costs nothing to find.
type Constant interface {
	Source
	// Constant reports whether no names and no functions are in it.
	Constant() bool
}

func constant(s Source) bool {
	c, ok := s.(Constant)
	return ok && c.Constant()
}

// CheckConstants compares everything that is written out with the types of options,
// whether it counts or not: definitions under a condition that does not hold, those
// that a stronger one outranks, and defaults of options that a labelled option has
// when there is an instance. What others say of an option may change, and with it
// what counts; a value that is written out is always the same.
func (ev *Evaluation) CheckConstants() {
	ev.root.checkConstants()
	ev.checkDefaults(ev.root.opt)
}

func (n *Node) checkConstants() {
	if n.shape != shapeLeaf {
		for _, key := range n.index(n.Range()).keys {
			if c := n.child(key); c.opt == nil || !c.opt.Renamed() {
				c.checkConstants()
			}
		}
		return
	}
	for _, d := range n.definitions() {
		if !d.remove && !d.declared && constant(d.source) {
			n.checkConstant(d, n.typ)
		}
	}
}

// checkConstant reports a value that is not of the type. null defines nothing.
func (n *Node) checkConstant(d *definition, t *Type) {
	v, diags := n.whole(d.source)
	n.ev.report(diags)
	if diags.HasErrors() || isNull(v) && !t.nullable() {
		return
	}
	if _, err := t.Fit(v); err != nil {
		n.ev.report(n.mismatch(candidate{d, v, v}, err))
	}
}

// checkDefaults checks defaults, which are the same wherever they count.
func (ev *Evaluation) checkDefaults(o *Option) {
	if o.Default != nil && o.Type != nil && o.Type.Kind != KindMap && constant(o.Default) {
		n := &Node{ev: ev, parent: &Node{ev: ev, shape: shapeGroup}, key: o.Path, opt: o, typ: o.Type, shape: shapeLeaf}
		n.checkConstant(&definition{source: o.Default, module: o.Module, rng: o.Default.Range()}, o.Type)
	}
	for _, c := range o.Children() {
		if !c.Renamed() {
			ev.checkDefaults(c)
		}
	}
}
