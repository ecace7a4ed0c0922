package activate

import (
	"context"
	"fmt"

	"sysc/systems/generation"
	"sysc/systems/health"
)

// CheckHealth carries out the health checks of what a machine runs: the booted
// generation, or, where none is, the current one. It does so where it is called, which
// is to be the machine itself, and records what came out. Nobody holds the machine's
// lock meanwhile. Of req, Root, Booted, Now and Wait are looked at. A system without
// checks has an empty report.
func CheckHealth(ctx context.Context, req Request) (generation.Number, *health.Report, error) {
	profile, err := generation.Open(req.Root)
	if err != nil {
		return 0, nil, err
	}
	record, err := running(profile, req.Booted)
	profile.Close()
	if err != nil {
		return 0, nil, err
	}
	m, err := ReadManifest(req.Root, record)
	if err != nil {
		return 0, nil, err
	}
	report, err := health.Run(ctx, m.HealthChecks, req.Now)
	if err != nil {
		return 0, nil, fmt.Errorf("check health of generation %d: %w", record.Number, err)
	}
	req.Booted = record.Number
	return record.Number, report, RecordHealth(ctx, req, report)
}

// RecordHealth records what came out of the health checks of the generation that was
// booted. Of req, Root, Booted, Now and Wait are looked at.
func RecordHealth(ctx context.Context, req Request, report *health.Report) error {
	_, err := locked(ctx, req, false, func(s *switcher) (*Result, error) {
		return nil, s.profile.SetHealth(s.Booted, report)
	})
	return err
}

func running(p *generation.Profile, booted generation.Number) (*generation.Record, error) {
	if booted != 0 {
		return p.Get(booted)
	}
	record, err := p.Current()
	if err == nil && record == nil {
		err = fmt.Errorf("check health: %w", generation.ErrNotExist)
	}
	return record, err
}
