package server

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
)

// metrics counts requests and shows numbers of the ledger. No label holds what a
// client sent.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry *prometheus.Registry, s *Server, ehrs *EHRCounts) (*metrics, error) {
	if registry == nil {
		registry = prometheus.NewRegistry()
		registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	m := &metrics{
		registry: registry,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringback_http_requests_total",
			Help: "HTTP requests by route, method and status code."}, []string{"route", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ringback_http_request_seconds",
			Help: "Time to answer HTTP requests by route.", Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ringback_build_info", Help: "Always 1; the version is the label.",
		ConstLabels: prometheus.Labels{"version": s.version}})
	build.Set(1)
	all := []prometheus.Collector{m.requests, m.seconds, build, &ledgerCollector{s: s}}
	if ehrs != nil {
		all = append(all, ehrs.sent)
	}
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) request(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// ledgerCollector reads numbers of the ledger when they are asked for, at most
// once per cacheFor: several scrapers must not mean several counts.
type ledgerCollector struct {
	s *Server

	mu   sync.Mutex
	at   time.Time
	last []prometheus.Metric
}

const (
	cacheFor    = 10 * time.Second
	scrapeLimit = 5 * time.Second
	// mostCounted bounds what is read of links; a number at it means "or more".
	mostCounted = 1000
)

var (
	descUp        = prometheus.NewDesc("ringback_ledger_up", "1 when the ledger could be read for these numbers; else they are missing.", nil, nil)
	descCallbacks = prometheus.NewDesc("ringback_callbacks", "Callbacks by clinic, status and category.", []string{"clinic", "status", "category"}, nil)
	descOutcomes  = prometheus.NewDesc("ringback_callbacks_closed", "Closed callbacks by clinic and outcome.", []string{"clinic", "outcome"}, nil)
	descReview    = prometheus.NewDesc("ringback_callbacks_to_review", "Callbacks that a person has to look at.", []string{"clinic"}, nil)
	descLagging   = prometheus.NewDesc("ringback_links_lagging", "Links that are due and lag behind their callback; 1000 means that or more.", nil, nil)
	descFailing   = prometheus.NewDesc("ringback_ehr_failing", "1 for an EHR that does not do its work; there is no line for one that does.", []string{"clinic", "ehr"}, nil)
	descStuck     = prometheus.NewDesc("ringback_links_stuck", "Links that a person has to decide about; 1000 means that or more.", nil, nil)
)

// Describe names the metrics.
func (c *ledgerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descCallbacks, descOutcomes, descReview, descLagging, descFailing, descStuck} {
		ch <- d
	}
}

// Collect reads the ledger, or repeats what was read a moment ago.
func (c *ledgerCollector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.s.clock.Now(); c.last == nil || now.Sub(c.at) >= cacheFor || now.Before(c.at) {
		c.at, c.last = now, c.read(now)
	}
	for _, m := range c.last {
		ch <- m
	}
}

func (c *ledgerCollector) read(now time.Time) []prometheus.Metric {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	numbers, err := c.numbers(ctx, now)
	if err != nil {
		c.s.log.LogAttrs(ctx, slog.LevelError, "the ledger failed", slog.String("op", "count for metrics"), slog.String("error", fault.Describe(err)))
		return []prometheus.Metric{gauge(descUp, 0)}
	}
	return append(numbers, gauge(descUp, 1))
}

func (c *ledgerCollector) numbers(ctx context.Context, now time.Time) ([]prometheus.Metric, error) {
	tallies, err := c.s.ledger.Count(ctx, "")
	if err != nil {
		return nil, err
	}
	lagging, err := c.s.ledger.Lagging(ctx, now, mostCounted)
	if err != nil {
		return nil, err
	}
	stuck, err := c.s.countStuck(ctx)
	if err != nil {
		return nil, err
	}
	troubled, err := c.s.ledger.Troubled(ctx)
	if err != nil {
		return nil, err
	}
	numbers := talliesAsMetrics(tallies)
	for _, t := range troubled {
		if t.Failing() {
			numbers = append(numbers, prometheus.MustNewConstMetric(descFailing, prometheus.GaugeValue, 1, string(t.Clinic), string(t.EHR)))
		}
	}
	return append(numbers, gauge(descLagging, len(lagging)), gauge(descStuck, stuck)), nil
}

// countStuck counts stuck links, up to mostCounted.
func (s *Server) countStuck(ctx context.Context) (n int, err error) {
	f := callback.LinkFilter{State: callback.LinkStuck, Limit: 500}
	for {
		page, next, err := s.ledger.Links(ctx, f)
		if err != nil {
			return 0, err
		}
		if n += len(page); next == "" || n >= mostCounted {
			return min(n, mostCounted), nil
		}
		f.After = next
	}
}

func talliesAsMetrics(tallies []callback.Tally) []prometheus.Metric {
	type key struct {
		desc   *prometheus.Desc
		labels [3]string
	}
	sums := map[key]int{}
	for _, t := range tallies {
		clinic := string(t.Clinic)
		sums[key{descCallbacks, [3]string{clinic, string(t.Status), string(t.Category)}}] += t.N
		if t.Outcome != "" {
			sums[key{descOutcomes, [3]string{clinic, string(t.Outcome)}}] += t.N
		}
		if t.Review {
			sums[key{descReview, [3]string{clinic}}] += t.N
		}
	}
	labels := map[*prometheus.Desc]int{descCallbacks: 3, descOutcomes: 2, descReview: 1}
	var out []prometheus.Metric
	for k, n := range sums {
		out = append(out, gauge(k.desc, n, k.labels[:labels[k.desc]]...))
	}
	return out
}

func gauge(d *prometheus.Desc, n int, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}
