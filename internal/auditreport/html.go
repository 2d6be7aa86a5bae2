package auditreport

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/audit"
)

//go:embed report.html.tmpl
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"n": number, "percent": percent, "length": length, "quantile": quantile, "plural": plural,
	"word": func(v audit.VerdictTally) string { return verdictWords[v.Verdict][0] },
	"mean": func(v audit.VerdictTally) string { return verdictWords[v.Verdict][1] },
	"add":  func(a, b int) int { return a + b },
	"hour": func(h int) string { return fmt.Sprintf("%02d–%02d", h, h+1) },
	"fill": fill, "short": short,
	"heat": func(c chart, color, title string) map[string]any {
		return map[string]any{"chart": c, "color": color, "title": title}
	},
}).Parse(page))

// HTML writes the page. It loads nothing from anywhere.
func HTML(w io.Writer, in Input) error {
	var workflow strings.Builder
	if err := Workflow(&workflow, in); err != nil {
		return err
	}
	r := in.Report
	v := view{Input: in, R: r, Workflow: workflow.String(), Zone: zoneName(r.Calendar.Zone),
		From: longDate(r.From, r), To: longDate(r.To, r), Hours: hoursInWords(r), Doubts: doubts(in), Blind: blindSpots(in),
		Calls: heatmap(r, func(c audit.Cell) int { return c.Inbound }), Missed: heatmap(r, func(c audit.Cell) int { return c.Missed }),
		Bars: bars(r.Requests), BarsHeight: 30*len(r.Requests.Horizons) + 4}
	if len(r.Days) <= 31 {
		v.Days = r.Days
	}
	return pageTemplate.Execute(w, v)
}

// view is what the template shows.
type view struct {
	Input
	R             audit.Report
	Zone          string
	From, To      string
	Hours         string
	Doubts, Blind []string
	Calls, Missed chart
	Bars          []bar
	BarsHeight    int
	Days          []audit.Day
	Workflow      string
}

// NewShare and BookShare write the assumptions about lost patients.
func (v view) NewShare() string {
	return fmt.Sprintf("%.0f–%.0f %%", 100*v.R.Loss.Assumptions.NewLow, 100*v.R.Loss.Assumptions.NewHigh)
}

// BookShare is how many of the new patients would have booked.
func (v view) BookShare() string {
	return fmt.Sprintf("%.0f–%.0f %%", 100*v.R.Loss.Assumptions.BookLow, 100*v.R.Loss.Assumptions.BookHigh)
}

// Stamp is a moment in a table.
func (v view) Stamp(t time.Time) string {
	return t.In(v.R.Calendar.Zone).Format("Mon 2 Jan 15:04")
}

func longDate(t time.Time, r audit.Report) string {
	return t.In(r.Calendar.Zone).Format("Monday 2 January 2006, 15:04")
}

// hoursInWords puts equal days together: "Mon–Fri 08:00-17:00".
func hoursInWords(r audit.Report) string {
	var parts []string
	for i := 0; i < len(weekdays); {
		spans := spansOf(r.Calendar.Week[weekdays[i]], "")
		j := i
		for j+1 < len(weekdays) && spansOf(r.Calendar.Week[weekdays[j+1]], "") == spans {
			j++
		}
		if spans != "" {
			days := weekdays[i].String()[:3]
			if j > i {
				days += "–" + weekdays[j].String()[:3]
			}
			parts = append(parts, days+" "+spans)
		}
		i = j + 1
	}
	return strings.Join(parts, "; ")
}

// chart is a table of seven days and 24 hours, drawn.
type chart struct {
	Rows  []chartRow
	Hours []chartHour
}

type chartRow struct {
	Label string
	Y, T  int // top of the cells, base of the text
	Cells []chartCell
}

type chartCell struct {
	X, TX int // left of the cell, middle of its text
	N     int
	Shade float64 // 0 to 1
	Dark  bool    // so dark that the text must be light
	Open  bool
}

type chartHour struct {
	X     int
	Label string
}

// fill is a colour of the page, lighter or darker: opaque, since printers make a
// pattern of what shines through.
func fill(color string, share float64) string {
	base := map[string][3]float64{"blue": {31, 95, 139}, "red": {168, 50, 36}}[color]
	mix := func(c float64) int { return int(255 - (255-c)*share) }
	return fmt.Sprintf("rgb(%d,%d,%d)", mix(base[0]), mix(base[1]), mix(base[2]))
}

// short fits a count into a cell.
func short(n int) string {
	switch {
	case n < 10_000:
		return strconv.Itoa(n)
	case n < 1_000_000:
		return fmt.Sprintf("%dk", n/1000)
	default:
		return fmt.Sprintf("%dM", n/1_000_000)
	}
}

// Sizes of the charts, in the units of their viewBox.
const (
	cellWidth, cellHeight = 28, 24
	chartLeft, chartTop   = 46, 18
)

func heatmap(r audit.Report, value func(audit.Cell) int) chart {
	most := 0
	for _, day := range r.Hours {
		for _, c := range day {
			most = max(most, value(c))
		}
	}
	var out chart
	for h := 0; h < 24; h += 2 {
		out.Hours = append(out.Hours, chartHour{chartLeft + h*cellWidth, fmt.Sprintf("%02d", h)})
	}
	for i, d := range weekdays {
		row := chartRow{Label: d.String()[:3], Y: chartTop + i*cellHeight, T: chartTop + i*cellHeight + 16}
		for h, c := range r.Hours[d] {
			cell := chartCell{X: chartLeft + h*cellWidth, TX: chartLeft + h*cellWidth + cellWidth/2, N: value(c), Open: opens(r.Calendar, d, h)}
			if most > 0 && cell.N > 0 {
				cell.Shade = 0.12 + 0.88*float64(cell.N)/float64(most)
				cell.Dark = cell.Shade > 0.55
			}
			row.Cells = append(row.Cells, cell)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// bar is how all requests stood after some time, as widths of 600 units.
type bar struct {
	audit.Horizon
	Y, T  int
	Parts []barPart
}

type barPart struct {
	Class    string
	X, Width int
	TX, N    int
}

func bars(q audit.Requests) []bar {
	const left, width = 150, 560
	var out []bar
	for i, h := range q.Horizons {
		b := bar{Horizon: h, Y: 4 + i*30, T: 4 + i*30 + 15}
		sum := 0
		for _, p := range []struct {
			class string
			n     int
		}{{"returned", h.Returned}, {"self", h.Self}, {"waiting", h.Waiting}, {"unknown", h.Unknown}} {
			if p.n == 0 {
				continue
			}
			from, to := left+width*sum/q.All, left+width*(sum+p.n)/q.All
			sum += p.n
			b.Parts = append(b.Parts, barPart{Class: p.class, X: from, Width: to - from, TX: (from + to) / 2, N: p.n})
		}
		out = append(out, b)
	}
	return out
}
