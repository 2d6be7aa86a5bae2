package simulate

import "time"

// The rates of the world. "Assumption" marks what no published figure was found for;
// such a rate is a guess of what happens in an outpatient clinic of a few hundred
// active patients. But for what staff do with the work item, none was chosen by what comes
// out of it.

// The clinics' EHRs. FHIR leaves Appointment.created optional; several large EHRs do
// not have it.
const (
	rateNoCreated  = 0.20 // say nothing of when a visit was booked (assumption)
	rateCreatedDay = 0.10 // say only the day (assumption)
	rateClockOff   = 0.60 // have a clock that is wrong (assumption)
	maxClockOff    = 4 * time.Minute
	rateIndexLag   = 0.50            // show what was written only later (assumption)
	usualIndexLag  = 4 * time.Second // at most, of those that do
	rateSlowIndex  = 0.10            // keep search results for long, as HAPI's cache does for a minute
	slowIndexLag   = 45 * time.Second
	rateMergeMoves = 0.70 // move the visits along when charts are merged (assumption)
	rateProposes   = 0.50 // are configured to take proposed visits (assumption)
)

// The people.
const (
	households      = 500   // at the start, about 1,100 people: each asks about once a year (assumption)
	rateFamily      = 0.55  // of households that are more than one person (assumption)
	rateOwnPhone    = 0.35  // of a family's second adults have a number of their own (assumption)
	rateTwins       = 0.03  // of births: about 31 in 1,000 (US natality statistics)
	rateNamesake    = 0.02  // of people are named as somebody else here (assumption)
	rateDouble      = 0.004 // ... and were born on the same day as well (assumption)
	rateSecondChart = 0.015 // have two charts that nobody has noticed yet (assumption)
	rateHasVisit    = 0.25  // have a visit booked when the world begins (assumption)
	rateSeries      = 0.05  // of bookings are a weekly series (assumption)
	testCharts      = 2     // charts that staff test with, with the number of a household
)

// What arrives, per clinic and working day; on days off a part of it (assumptions).
const (
	requestsPerDay = 3.0
	dayOffPart     = 0.15
	bookingsPerDay = 4.0  // visits booked at the desk that have nothing to do with a request
	walkInsPerDay  = 0.5  // visits entered when they are over
	testsPerDay    = 0.05 // staff try out the form with a test chart
	illPerDay      = 0.02 // somebody is ill, and the visits of a day are moved
	movedWhenIll   = 6    // at most
)

// What people ask for (assumptions; the categories are those of the workflow).
const (
	shareVisit      = 0.34 // an existing patient wants a visit
	shareFirst      = 0.20 // somebody new wants a first visit
	shareReschedule = 0.14 // somebody wants another time
	shareCancel     = 0.04 // somebody wants to cancel
	shareBenefits   = 0.10
	shareRecords    = 0.06
	shareClinical   = 0.07
	shareQuestion   = 0.05 // anything else
)

// How they ask (assumptions). A missed call brings a number and nothing else; a
// voicemail brings its text as well.
const (
	shareForm       = 0.55
	shareVoicemail  = 0.20
	shareMissedCall = 0.25
	rateWithheld    = 0.03 // of calls come without a number
	rateNoCategory  = 0.10 // of forms leave open what it is about
	rateVague       = 0.20 // of voicemails do not say what it is about
	rateNoBirthDate = 0.15 // of forms leave it out
	rateFormMRN     = 0.05 // of forms of existing patients name the chart number
	ratePreferred   = 0.30 // of forms for a visit name preferred times
	rateOtherPhone  = 0.08 // of forms name a number that is not in the chart
	rateParentsData = 0.04 // of forms for a child say who the parent is instead
	rateRepeat      = 0.12 // ask again before anybody has called back
	rateSecondWish  = 0.02 // ask for something else on the same day
	rateSeenBefore  = 0.01 // were seen just before they ask, and the visit is entered just after
)

// Typing errors, of callers in forms and of staff in charts (assumptions).
const (
	rateNameTypo  = 0.02
	rateNickname  = 0.01
	rateDateTypo  = 0.01
	ratePhoneTypo = 0.01
)

// How requests are answered (assumptions). Work items are what staff call back from, so
// most of what they find out stands in them afterwards.
const (
	rateReached      = 0.70  // of outbound calls reach somebody
	maxTries         = 3     // default of the attempt policy
	rateDeclines     = 0.08  // want no visit after all
	rateBooksOnline  = 0.06  // of people who sent a form book by themselves before anybody calls
	rateBooksOnline2 = 0.005 // of people who called: who books online has no reason to call
	rateGetsThrough  = 0.07  // call again and are answered
	rateAtOnce       = 0.10  // of those two, within minutes of the request
	rateWalksIn      = 0.01  // come by and are seen
	rateBringsUp     = 0.98  // of patients who book something while a request is open speak of it
	rateAllWishes    = 0.80  // of callers with several open requests speak of all of them
	rateBooksToo     = 0.15  // of people with a question book a visit in the same call
	rateLateChart    = 0.25  // of new patients are registered days after the call, by somebody else
	rateMoved        = 0.85  // of those who want another time get one; the rest cancel
	rateMergesCharts = 0.70  // of double charts are noticed when the patient is on the phone
)

// What staff do with the work item (assumptions). Where they neither file it nor book from
// it, a missed call's visit can be told by nobody. These rates were set so that about 2 in
// 100 answers are of that kind, because with more no engine reaches the goal for recall: a
// clinic whose staff file less has a lower one. The report counts those answers by themselves.
const (
	rateStarts        = 0.50  // take it up before they call
	rateFilesNumber   = 0.99  // file it in the chart, where it holds a number only
	rateFilesNamed    = 0.95  // ... where it says who it is and is in no chart
	rateFilesOther    = 0.95  // ... where it is in another chart
	rateFilesFirst    = 0.70  // of those, before they book
	rateFilesLate     = 0.95  // of late registrations, where the item is in no chart
	rateBooksFromItem = 0.15  // book so that the visit names the work item
	rateConfirms      = 0.60  // of proposed visits are confirmed rather than booked anew
	rateEndsByHand    = 0.15  // complete it within minutes of the booking
	rateEndsAnswered  = 0.95  // complete it when they have answered a question
	rateEndsLive      = 0.60  // complete it when the caller got through by himself ...
	rateEndsLiveNo    = 0.98  // ... and it holds a number only, so that nobody else can tell
	rateWrongItem     = 0.005 // complete the wrong item and open it again
	rateTakesBack     = 0.005 // open an item again that had closed, because the patient wants another time
)

// What becomes of visits that are booked (assumptions; published no-show rates of
// outpatient clinics differ from 5 % to 30 %).
const (
	rateVisitCancelled   = 0.08
	rateVisitNoShow      = 0.07
	rateVisitRescheduled = 0.08
	rateVisitVoid        = 0.004 // entered in error
	rateVisitDeleted     = 0.002 // removed without a trace
	rateWantsAgain       = 0.60  // of those whose visit fell through want another
	shareSameID          = 0.50  // of reschedulings move the visit,
	shareReplaced        = 0.25  // ... replace it at once, or cancel it and book another soon after
	meanDaysAhead        = 6.0   // of visits that are booked
)

// What is asked of the daemon.
const (
	// grace is how long the daemon has to see what happened, index lag, polls and late
	// looks for charts included.
	grace = 36 * time.Hour
	// staffFirst: an item that staff end so soon after the booking says nothing about
	// the daemon, which polls every few minutes.
	staffFirst = 30 * time.Minute
	// reviewStands is how long a callback has to be up for review to count: nobody looks sooner.
	reviewStands = 30 * time.Minute
)
