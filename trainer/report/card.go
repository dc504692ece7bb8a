package report

import (
	"fmt"
	"strings"

	"github.com/shardmill/shardmill/internal/chart"
)

// Card is what a model card says beside what the folder of the run tells.
type Card struct {
	Task       string // as the Hub names it: fill-mask, text-generation, text-classification, …
	Kind       string // model_type of config.json
	Parameters int
	Data       [][2]string // what it was trained on: name and value of each fact
	Use        string      // a command that shows what it does
}

// CurveFile is the picture that a model card shows.
const CurveFile = "loss.svg"

// Markdown is the model card of a run, README.md of its folder, as the Hub reads it (https://huggingface.co/docs/hub/model-cards), and the picture
// that it shows, for CurveFile. The same run gives the same bytes.
func (c *Card) Markdown(r *Run) (card, picture []byte) {
	var b strings.Builder
	fmt.Fprintf(&b, "---\nlibrary_name: transformers\npipeline_tag: %s\ntags:\n- shardmill\n- %s\n---\n\n", c.Task, c.Kind)
	s := r.Summary()
	fmt.Fprintf(&b, "# %s\n\nA %s model of %s parameters for %s, trained from the settings below on %s tokens in %d updates. Language, license and limits are for\n"+
		"whoever publishes it to add.\n\n", escape(r.Name), c.Kind, plainCount(int64(c.Parameters)), c.Task, plainCount(s.Tokens), s.Steps)
	fmt.Fprintf(&b, "## Results\n\n| measure | value |\n|---|--:|\n| training loss, nats | %s |\n", number(s.Loss))
	if s.Best != nil {
		fmt.Fprintf(&b, "| held-out loss, nats (update %d) | %s |\n", s.BestAt, number(s.Best))
	}
	for _, name := range scoreNames([]Run{*r}) {
		v := s.Scores[name]
		fmt.Fprintf(&b, "| best %s | %s |\n", escape(name), number(&v))
	}
	fmt.Fprintf(&b, "\n![loss over the updates](%s)\n\n## Data\n\n| | |\n|---|---|\n", CurveFile)
	for _, fact := range c.Data {
		fmt.Fprintf(&b, "| %s | %s |\n", escape(fact[0]), escape(fact[1]))
	}
	b.WriteString("\n## Settings\n\n| setting | value |\n|---|---|\n")
	for _, s := range settingsOf([]Run{*r}) {
		fmt.Fprintf(&b, "| %s | %s |\n", escape(s.Name), escape(s.Values[0]))
	}
	fmt.Fprintf(&b, "\n## Use\n\n```sh\n%s\n```\n\nIt opens in Hugging Face transformers too: `AutoModel.from_pretrained(folder)`.\n", c.Use)
	curves := charts([]Run{*r}, nil)
	loss := chart.Chart{Title: "Loss", XName: "updates", YName: "nats", Series: curves[0].Series}
	for _, s := range curves[1].Series {
		s.Name, s.Color = "held out", 1
		loss.Series = append(loss.Series, s)
	}
	for i := range loss.Series[:2] {
		loss.Series[i].Name = "training"
	}
	return []byte(b.String()), []byte(loss.Standalone())
}

// plainCount writes a large number with commas.
func plainCount(n int64) string { return strings.ReplaceAll(count(n), "\u202f", ",") }

// escape keeps text in its cell of a table, and from being taken for markup.
func escape(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "`", "'", "*", `\*`, "_", `\_`, "[", `\[`).Replace(s)
}
