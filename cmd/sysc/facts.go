package main

import (
	"context"
	"errors"
	"fmt"

	"sysc/store"
	"sysc/store/localstore"
	"sysc/systems"
)

// withSystemRoot reads a generation, by default the current one, or a system object, and
// hands its manifest and the store with its root to use.
func (a *app) withSystemRoot(ctx context.Context, args []string, use func(*localstore.Store, *systems.Manifest) error) error {
	bill, err := a.billedSystem(ctx, args)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(st *localstore.Store) error {
		err := use(st, bill.Manifest)
		if errors.Is(err, store.ErrNotExist) {
			return fmt.Errorf("%w: the store has the root of system %s no more, or it is no Debian", err, bill.Manifest.Name)
		}
		return err
	})
}
