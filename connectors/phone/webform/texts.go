package webform

import (
	"sort"
	"strconv"
	"strings"

	"github.com/ringback-health/ringback/callback"
)

// words are the texts of the page in one language.
type words struct {
	Lang string // of the html element

	Title, TitleOf, Intro, Emergency, Optional, Choose string
	Name, Phone, PhoneHint, Reason, Text, TextHint     string
	When, Date, Part, Birth                            string
	Consent, Privacy, Send, Trap                       string
	ThanksTitle, Thanks, Errors                        string
	Parts                                              []option
	Categories                                         map[callback.Category]string

	expired, tooFast, busy                       string
	phoneMissing, phoneWrong, dateWrong, tooLong string
	birthWrong, consentMissing                   string
}

// option is one choice of a list.
type option struct{ Value, Label string }

// The texts name one emergency number, {emergency} in them.
var english = words{
	Lang: "en", Title: "Ask us to call you back", TitleOf: "Ask {clinic} to call you back",
	Intro:     "Tell us how to reach you. We call you back as soon as we can.",
	Emergency: "If this is an emergency, do not use this form: call {emergency}.",
	Optional:  "optional", Choose: "Please choose",
	Name: "Your name", Phone: "Your phone number", PhoneHint: "The number at which we can reach you, with its area code.",
	Reason: "What is it about?", Text: "Anything we should know", TextHint: "Please leave out medical details; you can tell us when we call.",
	When: "When would you like us to call?", Date: "Day", Part: "Time of day", Birth: "Patient's date of birth",
	Consent: "You may call me at this number about my request.", Privacy: "How we handle your data", Send: "Send", Trap: "Leave this field empty",
	ThanksTitle: "Thank you", Thanks: "We have your request and will call you back. You can close this page.",
	Errors: "Please look at this once more:",
	Parts:  []option{{"", "Any time"}, {"morning", "Morning"}, {"afternoon", "Afternoon"}, {"evening", "Evening"}},
	Categories: map[callback.Category]string{
		callback.NewPatient: "I am a new patient", callback.ExistingScheduling: "Make an appointment", callback.RescheduleCancel: "Move or cancel an appointment",
		callback.BenefitsBilling: "Insurance or a bill", callback.Clinical: "A question about my health or treatment", callback.RecordsReferral: "Records, forms or a referral", callback.Other: "Something else",
	},
	expired:      "This page was open for a long time. Nothing is lost: please check what you wrote and send it again.",
	tooFast:      "That went very fast for us. Nothing is lost: please press Send once more.",
	busy:         "Many requests are coming in at the moment. Nothing is lost: please wait a minute and press Send once more.",
	phoneMissing: "Please write your phone number, so that we can call you.", phoneWrong: "We cannot call this number. Please check it; write it with its area code, for example (212) 555-0123.",
	dateWrong: "Please choose a day from today on, or leave it empty.", tooLong: "This is longer than we can take. Please shorten it.",
	birthWrong: "Please write the date of birth as year, month and day, for example 1985-12-31, or leave it empty.", consentMissing: "Please tick the box, so that we may call you.",
}

var spanish = words{
	Lang: "es", Title: "Pida que le llamemos", TitleOf: "Pida que {clinic} le llame",
	Intro:     "Díganos cómo contactarle. Le llamaremos lo antes posible.",
	Emergency: "Si es una emergencia, no use este formulario: llame al {emergency}.",
	Optional:  "opcional", Choose: "Elija una opción",
	Name: "Su nombre", Phone: "Su número de teléfono", PhoneHint: "El número en el que podemos encontrarle, con el código de área.",
	Reason: "¿De qué se trata?", Text: "Algo que debamos saber", TextHint: "No escriba detalles médicos; podrá contárnoslos cuando le llamemos.",
	When: "¿Cuándo prefiere que le llamemos?", Date: "Día", Part: "Momento del día", Birth: "Fecha de nacimiento del paciente",
	Consent: "Pueden llamarme a este número por mi solicitud.", Privacy: "Cómo tratamos sus datos", Send: "Enviar", Trap: "Deje este campo vacío",
	ThanksTitle: "Gracias", Thanks: "Hemos recibido su solicitud y le llamaremos. Puede cerrar esta página.",
	Errors: "Por favor, revise esto:",
	Parts:  []option{{"", "Cualquier hora"}, {"morning", "Por la mañana"}, {"afternoon", "Por la tarde"}, {"evening", "Al final de la tarde"}},
	Categories: map[callback.Category]string{
		callback.NewPatient: "Soy paciente nuevo", callback.ExistingScheduling: "Pedir una cita", callback.RescheduleCancel: "Cambiar o cancelar una cita",
		callback.BenefitsBilling: "Seguro o una factura", callback.Clinical: "Una pregunta sobre mi salud o tratamiento", callback.RecordsReferral: "Historial, formularios o una derivación", callback.Other: "Otra cosa",
	},
	expired:      "Esta página estuvo abierta mucho tiempo. No se ha perdido nada: revise lo que escribió y envíelo otra vez.",
	tooFast:      "Eso fue muy rápido para nosotros. No se ha perdido nada: pulse Enviar una vez más.",
	busy:         "En este momento llegan muchas solicitudes. No se ha perdido nada: espere un minuto y pulse Enviar una vez más.",
	phoneMissing: "Escriba su número de teléfono para que podamos llamarle.", phoneWrong: "No podemos llamar a este número. Revíselo; escríbalo con el código de área, por ejemplo (212) 555-0123.",
	dateWrong: "Elija un día a partir de hoy, o déjelo vacío.", tooLong: "Es más largo de lo que podemos recibir. Por favor, acórtelo.",
	birthWrong: "Escriba la fecha de nacimiento como año, mes y día, por ejemplo 1985-12-31, o déjela vacía.", consentMissing: "Marque la casilla para que podamos llamarle.",
}

// wordsFor picks the language that an Accept-Language header (RFC 9110, 12.5.4) likes
// best; English where it likes neither or both the same.
func wordsFor(accept string) words {
	type choice struct {
		tag string
		q   float64
	}
	var choices []choice
	for _, part := range strings.Split(accept, ",") {
		tag, params, _ := strings.Cut(part, ";")
		c := choice{strings.ToLower(strings.TrimSpace(tag)), 1}
		if _, q, ok := strings.Cut(params, "="); ok {
			c.q, _ = strconv.ParseFloat(strings.TrimSpace(q), 64) // what is no number is 0: not wanted
		}
		choices = append(choices, c)
	}
	sort.SliceStable(choices, func(i, j int) bool { return choices[i].q > choices[j].q })
	for _, c := range choices {
		base, _, _ := strings.Cut(c.tag, "-")
		switch {
		case c.q <= 0:
		case base == "es":
			return spanish
		case base == "en":
			return english
		}
	}
	return english
}
