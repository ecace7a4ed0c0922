package syntax

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sysc/lang/diag"
)

// jsonComment is the name of members that are comments.
const jsonComment = "//"

// A jsonContext says which members of an object are blocks, each with the number
// of its labels, and which are static: their strings hold expressions. All others
// are arguments.
type jsonContext struct {
	blocks map[string]int
	static map[string]bool
	inner  map[string]*jsonContext
}

var (
	jsonPlain  = &jsonContext{}
	jsonAssert = map[string]int{"assert": 0, "dynamic": 1}
	// jsonConfig is where options are defined. What an object stands for there is
	// known by whoever knows the options, see [Expr.Bodies].
	jsonConfig = &jsonContext{
		blocks: map[string]int{"dynamic": 1},
		static: map[string]bool{"base": true, "modules": true},
		inner:  map[string]*jsonContext{"dynamic": jsonDynamic},
	}
	jsonDynamic = &jsonContext{
		blocks: map[string]int{"content": 0},
		static: map[string]bool{"iterator": true},
	}
	jsonBuild = &jsonContext{
		blocks: jsonAssert,
		static: map[string]bool{"base": true},
		inner:  map[string]*jsonContext{"dynamic": jsonDynamic},
	}
	jsonTop = &jsonContext{
		blocks: map[string]int{
			"sysc": 0, "input": 1, "module": 1, "variable": 1, "locals": 0, "output": 1, "function": 1, "derivation": 1,
			"environment": 1, "option": 1, "config": 0, "assert": 0, "system": 1, "home": 1, "test": 1,
		},
		inner: map[string]*jsonContext{
			"variable":    {blocks: map[string]int{"validation": 0}, static: map[string]bool{"type": true}},
			"function":    {static: map[string]bool{"params": true, "variadic_param": true}},
			"derivation":  jsonBuild,
			"environment": jsonBuild,
			"option":      jsonOption(),
			"config":      jsonConfig,
			"system":      jsonConfig,
			"home":        jsonConfig,
			"test": {
				blocks: map[string]int{"variables": 0, "assert": 0, "build": 1, "machine": 1, "step": 1},
				static: map[string]bool{"expect_failures": true},
			},
		},
	}
)

func jsonOption() *jsonContext {
	c := &jsonContext{
		blocks: map[string]int{"option": 1, "assert": 0, "dynamic": 1},
		static: map[string]bool{"type": true, "freeform": true},
		inner:  map[string]*jsonContext{"dynamic": jsonDynamic},
	}
	c.inner["option"] = c
	return c
}

// context returns what holds in the body of a block. The content of a dynamic
// block is that of the blocks that it makes.
func (c *jsonContext) context(typ string) *jsonContext {
	if inner, ok := c.inner[typ]; ok {
		return inner
	}
	if c == jsonDynamic {
		return jsonConfig
	}
	return jsonPlain
}

// parseJSONBody reads a file in the JSON syntax. It is nil when nothing can be said
// of it.
func (f *source) parseJSONBody() (*Body, diag.List) {
	if diags := f.checkBytes(); diags.HasErrors() {
		return nil, diags
	}
	v, diags := f.parseJSON()
	if v == nil {
		return nil, diags
	}
	f.json = true
	f.containers = map[hclsyntax.Expression]jsonContainer{}
	r := &jsonReader{file: f, diags: diags}
	b := r.bodies(jsonTop, v, "file")
	out := &Body{Open: diag.Pos(v.rng.Start), End: end(v)}
	for _, part := range b {
		out.Attrs = append(out.Attrs, part.Attrs...)
		out.Blocks = append(out.Blocks, part.Blocks...)
	}
	return out, r.diags
}

// end is the place of the closing bracket of v.
func end(v *jsonValue) diag.Range {
	rng := v.rng
	rng.Start = rng.End
	rng.Start.Byte--
	rng.Start.Column--
	return FromRange(rng)
}

// bodies reads an object, or an array of them, as bodies of blocks; null is none.
func (r *jsonReader) bodies(c *jsonContext, v *jsonValue, what string) []*Body {
	switch v.kind {
	case jsonNull:
		return nil
	case jsonObject:
		return []*Body{r.body(c, v)}
	case jsonArray:
		var out []*Body
		for _, e := range v.elems {
			if e.kind != jsonObject {
				r.wantObject(e, what)
				continue
			}
			out = append(out, r.body(c, e))
		}
		return out
	}
	r.wantObject(v, what)
	return nil
}

func (r *jsonReader) wantObject(v *jsonValue, what string) {
	r.diags = append(r.diags, diag.Errorf(FromRange(v.rng), "Object required",
		"A %s is written as an object, or as an array of objects, and this is %s.", what, jsonKinds[v.kind])...)
}

func (r *jsonReader) body(c *jsonContext, v *jsonValue) *Body {
	outer := r.config
	r.config = c == jsonConfig
	defer func() { r.config = outer }()
	out := &Body{Open: diag.Pos(v.rng.Start), End: end(v)}
	for _, m := range v.members {
		name := m.key.text
		if name == jsonComment {
			continue
		}
		if labels, ok := c.blocks[name]; ok {
			head := &Block{Type: name, TypeRange: FromRange(m.key.rng), Range: FromRange(m.key.rng)}
			out.Blocks = append(out.Blocks, r.blocks(c.context(name), head, m.value, labels)...)
			continue
		}
		if c == jsonTop {
			// Whoever knows all languages has something to say about it.
			out.Blocks = append(out.Blocks, &Block{
				Type: name, TypeRange: FromRange(m.key.rng), Range: FromRange(m.key.rng), Body: &Body{Open: diag.Pos(m.value.rng.Start), End: FromRange(m.value.rng)},
			})
			continue
		}
		out.Attrs = append(out.Attrs, &Attr{
			Name: name, NameRange: FromRange(m.key.rng),
			Expr: &Expr{node: r.expr(m.value, c.static[name]), file: r.file},
		})
	}
	return out
}

// blocks reads the blocks of one type. Labels are the names of members.
func (r *jsonReader) blocks(c *jsonContext, head *Block, v *jsonValue, labels int) []*Block {
	var out []*Block
	if labels == 0 {
		for _, b := range r.bodies(c, v, head.Type+" block") {
			block := *head
			block.Body = b
			out = append(out, &block)
		}
		return out
	}
	objects := []*jsonValue{v}
	if v.kind == jsonArray {
		objects = v.elems
	}
	for _, o := range objects {
		if o.kind == jsonNull {
			continue
		}
		if o.kind != jsonObject {
			r.wantLabel(head, o)
			continue
		}
		for _, m := range o.members {
			if m.key.text == jsonComment {
				continue
			}
			if k := m.value.kind; k != jsonObject && k != jsonArray && k != jsonNull {
				r.wantLabel(head, m.value)
				continue
			}
			labelled := *head
			labelled.Labels = append(head.Labels[:len(head.Labels):len(head.Labels)], m.key.text)
			labelled.LabelRanges = append(head.LabelRanges[:len(head.LabelRanges):len(head.LabelRanges)], FromRange(m.key.rng))
			labelled.Range = FromRange(m.key.rng)
			out = append(out, r.blocks(c, &labelled, m.value, labels-1)...)
		}
	}
	return out
}

func (r *jsonReader) wantLabel(head *Block, v *jsonValue) {
	r.diags = append(r.diags, diag.Errorf(FromRange(v.rng), "Object required",
		"A block of type %[1]q has a label, which is the name of a member whose value is the block: { %[1]q: { \"NAME\": { … } } }. This is %[2]s.", head.Type, jsonKinds[v.kind])...)
}

// Bodies returns the objects of a JSON file that e stands for, read as bodies in
// which options are defined: one for an object, several for an array of objects. ok
// is false for anything else, and in the native syntax, where blocks and objects are
// written in different ways.
func (e *Expr) Bodies() (bodies []*Body, ok bool) {
	if e.file == nil || !e.file.json {
		return nil, false
	}
	nodes := []hclsyntax.Expression{e.node}
	if t, isTuple := e.node.(*hclsyntax.TupleConsExpr); isTuple {
		nodes = t.Exprs
	}
	for _, n := range nodes {
		c, isJSON := e.file.containers[n]
		o, isObject := n.(*hclsyntax.ObjectConsExpr)
		if !isJSON || !isObject {
			return nil, false
		}
		bodies = append(bodies, e.objectBody(c, o))
	}
	return bodies, len(bodies) > 0
}

// IsBody reports whether e is an object of a JSON file, which [Expr.Bodies] reads
// as one body.
func (e *Expr) IsBody() bool {
	_, isObject := e.node.(*hclsyntax.ObjectConsExpr)
	if !isObject || e.file == nil || !e.file.json {
		return false
	}
	_, ok := e.file.containers[e.node]
	return ok
}

// objectBody reads an object whose members are expressions already.
func (e *Expr) objectBody(c jsonContainer, o *hclsyntax.ObjectConsExpr) *Body {
	v := c.value
	out := &Body{Open: diag.Pos(v.rng.Start), End: end(v), Blocks: c.dynamic}
	for i, m := range v.members {
		if m.key.text == jsonComment || m.key.text == "dynamic" && c.dynamic != nil {
			continue
		}
		out.Attrs = append(out.Attrs, &Attr{
			Name: m.key.text, NameRange: FromRange(m.key.rng), Expr: e.Child(o.Items[i].ValueExpr),
		})
	}
	return out
}

// dynamic reads the dynamic blocks of an object in which options may be defined.
func (r *jsonReader) dynamic(v *jsonValue) []*Block {
	if !r.config {
		return nil
	}
	for _, m := range v.members {
		if m.key.text != "dynamic" || m.value.kind != jsonObject && m.value.kind != jsonArray {
			continue
		}
		said := r.diags // the same has been said of the member as an expression
		head := &Block{Type: "dynamic", TypeRange: FromRange(m.key.rng), Range: FromRange(m.key.rng)}
		blocks := r.blocks(jsonDynamic, head, m.value, 1)
		r.diags = said
		return blocks
	}
	return nil
}
