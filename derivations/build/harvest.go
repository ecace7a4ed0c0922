package build

import (
	"context"
	"path/filepath"
	"slices"

	"sysc/store"
	"sysc/store/localstore"
)

// harvest adds the outputs of a program to the store.
//
// A program with several outputs may let them name one another, by their scratch
// paths. Then the one that is named comes first, and its real id takes the place
// of the scratch id in the other before that is hashed. Hence no cycles.
func (x *execution) harvest(ctx context.Context) (map[string]store.Object, error) {
	names := x.job.d.OutputNames()
	kinds := make(map[string]store.Kind)
	for _, name := range names {
		kind, err := outputKind(x.outputPath(name), name)
		if err != nil {
			return nil, badOutput(ctx, name, err)
		}
		kinds[name] = kind
	}
	order, err := x.outputOrder(ctx, names)
	if err != nil {
		return nil, err
	}
	objects := make(map[string]store.Object)
	real := make(map[string]string) // by scratch id
	candidates := slices.Clone(x.closure)
	for _, name := range order {
		if !x.varied { // the same would be said twice
			if err := x.warnOfPieces(ctx, name); err != nil {
				return nil, badOutput(ctx, name, err)
			}
		}
		if len(real) > 0 {
			if err := rewriteIDs(ctx, x.outputDir(), string(x.scratch[name]), real); err != nil {
				return nil, badOutput(ctx, name, err)
			}
		}
		o, err := x.store.AddDir(ctx, x.outputPath(name), &localstore.AddOptions{
			Name: x.job.d.ObjectName(name), Kind: kinds[name], Candidates: candidates, SelfID: x.scratch[name].ID(),
		})
		if err != nil {
			return nil, badOutput(ctx, name, err)
		}
		objects[name] = o
		candidates = append(candidates, o.Path)
		real[x.scratch[name].ID()] = o.Path.ID()
	}
	return objects, nil
}

func (x *execution) outputPath(name string) string {
	return filepath.Join(x.outputDir(), string(x.scratch[name]))
}

// outputOrder sorts outputs so that each comes after those that it names.
func (x *execution) outputOrder(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 1 {
		return names, nil
	}
	uses, err := x.outputUses(ctx, names)
	if err != nil {
		return nil, err
	}
	var order []string
	var path []OutputUse // that led to what is visited
	var visit func(name string) error
	visit = func(name string) error {
		for i, use := range path {
			if use.From == name {
				return &CycleError{Uses: slices.Clone(path[i:])}
			}
		}
		if slices.Contains(order, name) {
			return nil
		}
		for _, use := range uses[name] {
			path = append(path, use)
			if err := visit(use.To); err != nil {
				return err
			}
			path = path[:len(path)-1]
		}
		order = append(order, name)
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// outputUses tells where each output names others.
func (x *execution) outputUses(ctx context.Context, names []string) (map[string][]OutputUse, error) {
	var ids []string
	for _, name := range names {
		ids = append(ids, x.scratch[name].ID())
	}
	uses := make(map[string][]OutputUse)
	for _, name := range names {
		found, err := findIDs(ctx, x.outputDir(), string(x.scratch[name]), ids)
		if err != nil {
			return nil, badOutput(ctx, name, err)
		}
		for _, other := range names {
			if edge, ok := found[x.scratch[other].ID()]; ok && other != name {
				edge.From, edge.To = x.scratch[name], x.scratch[other]
				uses[name] = append(uses[name], OutputUse{From: name, To: other, Edge: edge})
			}
		}
	}
	return uses, nil
}
