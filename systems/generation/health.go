package generation

import (
	"errors"
	"fmt"
	"io/fs"

	"sysc/systems/health"
)

// healthDir has what came out of the health checks of each generation, as N.json: it
// is about the machine, so it is no part of the generation.
const healthDir = Dir + "/health"

type healthFile struct {
	Format int `json:"format"`
	*health.Report
}

func healthName(n Number) string { return healthDir + "/" + n.String() + ".json" }

// SetHealth records what came out of a generation's health checks, durably, in place of
// what did before. It needs the lock.
func (p *Profile) SetHealth(n Number, r *health.Report) error {
	data, err := encodeJSON(healthFile{recordFormat, r})
	if err != nil {
		return fmt.Errorf("record health of generation %d: %v", n, err)
	}
	if err := p.root.Mkdir(healthDir, 0o755); err != nil {
		return fmt.Errorf("record health of generation %d: %w", n, err)
	}
	return p.root.WriteFile(healthName(n), data, 0o644)
}

// Health returns what came out of a generation's health checks the last time, nil when
// they were not carried out yet.
func (p *Profile) Health(n Number) (*health.Report, error) {
	data, err := p.root.ReadFile(healthName(n), maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read health of generation %d: %w", n, err)
	}
	f := healthFile{Report: &health.Report{}}
	if err := decodeJSON(data, &f); err != nil {
		return nil, fmt.Errorf("read health of generation %d: %v", n, err)
	}
	if f.Format != recordFormat {
		return nil, fmt.Errorf("read health of generation %d: format %d, this sysc reads format %d", n, f.Format, recordFormat)
	}
	return f.Report, nil
}
