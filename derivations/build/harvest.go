package build

import (
	"context"
	"fmt"
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
			return nil, err
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
		if len(real) > 0 {
			if err := rewriteIDs(ctx, x.outputDir(), string(x.scratch[name]), real); err != nil {
				return nil, fmt.Errorf("output %q: %w", name, err)
			}
		}
		o, err := x.store.AddDir(ctx, x.outputPath(name), &localstore.AddOptions{
			Name: x.job.d.ObjectName(name), Kind: kinds[name], Candidates: candidates, SelfID: x.scratch[name].ID(),
		})
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
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
	var ids []string
	for _, name := range names {
		ids = append(ids, x.scratch[name].ID())
	}
	uses := make(map[string][]string)
	for _, name := range names {
		found, err := findIDs(ctx, x.outputDir(), string(x.scratch[name]), ids)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
		}
		for _, other := range names {
			if file, ok := found[x.scratch[other].ID()]; ok && other != name {
				uses[name] = append(uses[name], other)
				fmt.Fprintf(x.log, "output %q names output %q, in %s\n", name, other, place(file))
			}
		}
	}
	var order, path []string
	var visit func(name string) error
	visit = func(name string) error {
		if slices.Contains(order, name) {
			return nil
		}
		if slices.Contains(path, name) {
			return fmt.Errorf("outputs %q name one another in a circle, which content-addressed objects cannot", append(path, name))
		}
		path = append(path, name)
		for _, other := range uses[name] {
			if err := visit(other); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
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
