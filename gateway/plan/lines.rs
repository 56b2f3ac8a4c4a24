//! Plans the lines of a stream, one by one.
//!
//! A line can name those before it, as an item of a batch can: in `dependsOn`, in its condition, in references. As a stream
//! can be endless, it can name only the last ones (`stream_window.items`): [`EarlierLines`] has their names. Two lines may
//! have one id; the name then means the later of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::conditions::{Conditions, PlannedCondition};
use super::deferred_call::{Named, Neighbours, plan_template};
use super::dependencies::{depends, has_given_id, shown};
use super::planner::{plan_content, plan_item, rejected};
use super::routing::PlanContext;
use super::step::{Plan, PlannedItem, Step};
use crate::batch::{BatchItem, Item, ItemId, ItemIndex, ItemRejection, Subject};
use crate::reference::template::Template;
use crate::route::RouteIndex;

/// A line and what happens to it.
#[derive(Debug, PartialEq)]
pub struct PlannedLine {
    /// The item.
    pub item: PlannedItem,
    /// What it waits for; `None` for most lines.
    pub waits: Option<Box<Waits>>,
}

/// What a line waits for.
#[derive(Debug, Default, PartialEq)]
pub struct Waits {
    /// The earlier lines, each once, in their order.
    pub lines: Vec<AwaitedLine>,
    /// The condition that must hold once they have ended.
    pub condition: Option<PlannedCondition>,
}

/// An earlier line that a line waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitedLine {
    /// The name by which the line is known.
    pub id: ItemId,
    /// Its number among the items of the stream, from 0.
    pub index: ItemIndex,
    /// What is needed of it.
    pub needed: Needed,
}

/// What a line needs of one that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needed {
    /// Its end, and its status.
    End,
    /// Its result: fields or the body.
    Result,
}

impl From<PlannedItem> for PlannedLine {
    fn from(item: PlannedItem) -> Self {
        Self { item, waits: None }
    }
}

impl Plan {
    /// The plan of a stream whose lines are all there, for an explanation.
    #[must_use]
    pub fn from_lines(lines: Vec<PlannedLine>) -> Self {
        let (mut items, mut dependencies) = (Vec::new(), Vec::new());
        let mut conditions = Conditions::new();
        for PlannedLine { item, waits } in lines {
            let Waits { lines, condition } = waits.map(|waits| *waits).unwrap_or_default();
            conditions.extend(condition.map(|condition| (ItemIndex(items.len()), condition)));
            dependencies.push(lines.into_iter().map(|line| line.index).collect());
            items.push(item);
        }
        Self {
            items,
            dependencies,
            conditions,
            follows: Vec::new(),
            undos: Vec::new(),
            sequential: false,
            ignored: Vec::new(),
        }
    }
}

/// The lines that the next one can name.
///
/// It holds the text of each id once, so at most `most` × `max_id` bytes: 1 MiB with the defaults. They do not count towards
/// `limits.memory`: results can be dropped to make room, and ids can't, because a line that names one would then be refused.
#[derive(Debug)]
pub struct EarlierLines {
    most: usize,
    /// The number of lines so far.
    count: usize,
    /// The last ones, the oldest first.
    lines: VecDeque<NamedLine>,
    latest: HashMap<Arc<str>, usize>,
}

/// Whether a line is the one that its id names from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Own,
    OnlyIfFree,
}

#[derive(Debug)]
struct NamedLine {
    id: Arc<str>,
    route: Option<RouteIndex>,
}

impl EarlierLines {
    /// Remembers up to `most` lines.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, count: 0, lines: VecDeque::new(), latest: HashMap::new() }
    }

    /// Plans the next line.
    pub fn plan_line(&mut self, item: BatchItem, context: &PlanContext<'_>) -> PlannedLine {
        // A line that was rejected before its id was read does not take the name of another.
        let has_own_name = item.content.is_ok() || has_given_id(&item.subject);
        let line = match item {
            BatchItem { subject, content: Ok(item) } if depends(&item) => {
                self.plan_dependent(subject, item, context)
            }
            independent @ BatchItem { .. } => plan_item(independent, context).into(),
        };
        self.add(&line.item, if has_own_name { Name::Own } else { Name::OnlyIfFree });
        line
    }

    fn plan_dependent(&self, subject: Subject, item: Item, context: &PlanContext<'_>) -> PlannedLine {
        let mut route = None;
        let planned = BeforeLine { lines: self, own: &subject.id }.plan(&subject, item, context, &mut route);
        let (step, waits) = match planned {
            Ok((step, waits)) => (step, waits.map(Box::new)),
            Err(rejection) => (rejected(rejection, &subject), None),
        };
        PlannedLine { item: PlannedItem { subject, route, step }, waits }
    }

    fn add(&mut self, item: &PlannedItem, name: Name) {
        let number = self.count;
        self.count += 1;
        if self.most == 0 {
            return;
        }
        if self.lines.len() == self.most
            && let Some(oldest) = self.lines.pop_front()
            && self.latest.get(&oldest.id) == Some(&(number - self.most))
        {
            self.latest.remove(&oldest.id);
        }
        let id = item.subject.id.as_str();
        let id = self.latest.get_key_value(id).map_or_else(|| id.into(), |(known, _)| Arc::clone(known));
        if name == Name::Own || !self.latest.contains_key(&id) {
            self.latest.insert(Arc::clone(&id), number);
        }
        self.lines.push_back(NamedLine { id, route: item.route });
    }
}

/// The lines before one line, as that one names them.
struct BeforeLine<'plan> {
    lines: &'plan EarlierLines,
    own: &'plan ItemId,
}

impl BeforeLine<'_> {
    fn plan(
        &self,
        subject: &Subject,
        mut item: Item,
        context: &PlanContext<'_>,
        route: &mut Option<RouteIndex>,
    ) -> Result<(Step, Option<Waits>), ItemRejection> {
        let mut lines = Vec::new();
        let depends_on = std::mem::take(&mut item.depends_on);
        let condition = item.condition.take();
        for (id, needed) in item.template.as_deref().into_iter().flat_map(references) {
            // One that leads to the line itself is refused as in a batch.
            if id != self.own {
                lines.push(self.awaited(id, needed)?);
            }
        }
        let step = if item.template.is_some() {
            plan_template(subject, item, self, context, route)?.0
        } else {
            plan_content(subject, item, context, route)?
        };
        for id in &depends_on {
            lines.push(self.awaited(id, Needed::End)?);
        }
        for part in condition.iter().flat_map(|condition| condition.parts()) {
            let needed = if part.needs_result() { Needed::Result } else { Needed::End };
            lines.push(self.awaited(part.item(), needed)?);
        }
        let condition = condition
            .map(|condition| PlannedCondition::new(condition, |id| self.position(id).map(|index| [index])));
        let waits = Waits { lines: each_once(lines), condition: condition.transpose()? };
        let waits = if waits.lines.is_empty() && waits.condition.is_none() { None } else { Some(waits) };
        Ok((step, waits))
    }

    fn awaited(&self, id: &ItemId, needed: Needed) -> Result<AwaitedLine, ItemRejection> {
        Ok(AwaitedLine { id: id.clone(), index: self.position(id)?, needed })
    }

    fn position(&self, id: &ItemId) -> Result<ItemIndex, ItemRejection> {
        match self.find(id) {
            Named::Earlier(index) => Ok(index),
            Named::Itself => Err(ItemRejection::SelfDependency { name: shown(id) }),
            Named::Later | Named::Nothing => {
                Err(ItemRejection::NotInWindow { name: shown(id), lines: self.lines.most })
            }
        }
    }
}

impl Neighbours for BeforeLine<'_> {
    fn find(&self, id: &ItemId) -> Named {
        if id == self.own {
            return Named::Itself;
        }
        self.lines.latest.get(id.as_str()).map_or(Named::Nothing, |number| Named::Earlier(ItemIndex(*number)))
    }

    fn route(&self, index: ItemIndex) -> Option<RouteIndex> {
        let first = self.lines.count - self.lines.lines.len();
        self.lines.lines.get(index.0.checked_sub(first)?)?.route
    }
}

/// The lines that a template refers to.
fn references(template: &Template) -> impl Iterator<Item = (&ItemId, Needed)> {
    let location_of = template.url.iter().filter_map(|url| url.location_of.as_ref());
    let expressions = template.expressions().map(|expression| {
        (&expression.item, if expression.needs_result() { Needed::Result } else { Needed::End })
    });
    location_of.map(|id| (id, Needed::Result)).chain(expressions)
}

/// Each line once, in order, with the most that is needed of it.
fn each_once(mut lines: Vec<AwaitedLine>) -> Vec<AwaitedLine> {
    lines.sort_unstable_by_key(|line| (line.index, std::cmp::Reverse(line.needed)));
    lines.dedup_by_key(|line| line.index);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Groups, IdForm, ItemForm};
    use crate::reference::condition::Condition;
    use crate::reference::expression::{Expression, Part, TextTemplate};
    use crate::reference::template::UrlTemplate;
    use crate::route::{Mapping, PathPattern, Route, RouteAction, RouteTable, UpstreamIndex};

    fn item(id: &str, content: Item) -> BatchItem {
        let form = ItemForm { id: IdForm::Plain, ..ItemForm::default() };
        let subject = Subject { id: id.into(), method: http::Method::GET, href: "/".into(), form };
        BatchItem { subject, content: Ok(content) }
    }

    fn after(names: &[&str]) -> Item {
        Item { depends_on: names.iter().map(|name| ItemId::from(*name)).collect(), ..Item::default() }
    }

    fn referring(id: &str, part: Part) -> Item {
        let expression = Expression { item: id.into(), part };
        let url =
            UrlTemplate { location_of: None, rest: TextTemplate::parse(&format!("/{expression}")).unwrap() };
        Item {
            template: Some(Box::new(Template { url: Some(url), ..Template::default() })),
            ..Item::default()
        }
    }

    fn plan(lines: &mut EarlierLines, item: BatchItem) -> PlannedLine {
        let (upstream, mapping) = (UpstreamIndex(0), Mapping::default());
        let path = PathPattern::parse("/").unwrap();
        let routes = RouteTable::new(vec![Route::new(path, RouteAction::Forward { upstream, mapping })]);
        let context = PlanContext {
            routes: &routes,
            own_authority: "gw",
            is_batch_endpoint: &|_, _| false,
            groups: Groups::default(),
            inherited: &http::HeaderMap::new(),
            only_route: None,
        };
        lines.plan_line(item, &context)
    }

    /// The lines that a line waits for, and what it needs of them.
    fn waits_for(line: &PlannedLine) -> Vec<(usize, Needed)> {
        let lines = line.waits.iter().flat_map(|waits| &waits.lines);
        lines.map(|line| (line.index.0, line.needed)).collect()
    }

    fn rejection(line: PlannedLine) -> ItemRejection {
        let Step::Rejected(rejection) = line.item.step else { panic!("it is not rejected") };
        rejection
    }

    #[test]
    fn names_are_those_of_the_last_lines() {
        let mut lines = EarlierLines::new(2);
        for id in ["a", "b", "c"] {
            plan(&mut lines, item(id, Item::default()));
        }
        let line = plan(&mut lines, item("d", after(&["c", "b", "c"])));
        assert_eq!(waits_for(&line), [(1, Needed::End), (2, Needed::End)]);
        let old = plan(&mut lines, item("e", after(&["d", "b"])));
        assert_eq!(rejection(old), ItemRejection::NotInWindow { name: "b".into(), lines: 2 });
        let never = plan(&mut lines, item("f", after(&["x"])));
        assert_eq!(never.item.route, Some(RouteIndex(0)), "it counts for its route");
        assert_eq!(rejection(never), ItemRejection::NotInWindow { name: "x".into(), lines: 2 });
        assert_eq!((lines.lines.len(), lines.latest.len()), (2, 2));
    }

    #[test]
    fn a_name_is_that_of_the_latest_line() {
        let mut lines = EarlierLines::new(3);
        for id in ["a", "a", "b"] {
            plan(&mut lines, item(id, Item::default()));
        }
        assert_eq!(waits_for(&plan(&mut lines, item("c", after(&["a"])))), [(1, Needed::End)]);
        assert_eq!(waits_for(&plan(&mut lines, item("d", after(&["b"])))), [(2, Needed::End)]);
        let gone = plan(&mut lines, item("e", after(&["a"])));
        assert!(matches!(rejection(gone), ItemRejection::NotInWindow { .. }));
    }

    #[test]
    fn a_line_can_not_name_itself() {
        let mut lines = EarlierLines::new(3);
        plan(&mut lines, item("a", Item::default()));
        let own = ItemRejection::SelfDependency { name: "a".into() };
        assert_eq!(rejection(plan(&mut lines, item("a", after(&["a"])))), own);
        let condition = Some(Box::new(Condition::parse("$a/$succeeded").unwrap()));
        let conditional = item("a", Item { condition, ..Item::default() });
        assert_eq!(rejection(plan(&mut lines, conditional)), own);
        let rejected = rejection(plan(&mut lines, item("a", referring("a", Part::Status))));
        assert!(matches!(rejected, ItemRejection::BadReference { problem: "leads to the item itself", .. }));
    }

    #[test]
    fn what_is_needed_of_a_line_is_known() {
        let mut lines = EarlierLines::new(9);
        plan(&mut lines, item("a", Item::default()));
        for (needed, part) in [(Needed::End, Part::Status), (Needed::Result, Part::Body("/x".into()))] {
            let item = item("b", Item { depends_on: vec!["a".into()], ..referring("a", part) });
            assert_eq!(waits_for(&plan(&mut lines, item)), [(0, needed)]);
        }
        for (needed, condition) in
            [(Needed::End, "$a/$succeeded"), (Needed::Result, "$a/x eq 1 and $a/$succeeded")]
        {
            let condition = Some(Box::new(Condition::parse(condition).unwrap()));
            let line = plan(&mut lines, item("b", Item { condition, ..Item::default() }));
            assert_eq!(waits_for(&line), [(0, needed)]);
            assert!(line.waits.unwrap().condition.is_some());
        }
    }

    #[test]
    fn a_line_that_could_not_be_read_takes_no_name_from_another() {
        let mut lines = EarlierLines::new(9);
        plan(&mut lines, item("2", Item::default()));
        let mut unread = item("2", Item::default());
        unread.subject.form.id = IdForm::Position;
        unread.content = Err(ItemRejection::NoRoute);
        plan(&mut lines, unread.clone());
        assert_eq!(waits_for(&plan(&mut lines, item("c", after(&["2"])))), [(0, Needed::End)]);
        let mut lines = EarlierLines::new(9);
        plan(&mut lines, unread);
        assert_eq!(waits_for(&plan(&mut lines, item("c", after(&["2"])))), [(0, Needed::End)]);
    }

    #[test]
    fn the_text_of_ids_is_held_once_and_is_bounded() {
        let (most, longest) = (8, 1024);
        for lines_of_one_id in [1, 2] {
            let mut lines = EarlierLines::new(most);
            for number in 0..100 {
                let id = format!("{:0longest$}", number / lines_of_one_id);
                plan(&mut lines, item(&id, Item::default()));
                let texts = lines.lines.iter().map(|line| &line.id).chain(lines.latest.keys());
                let texts: HashMap<_, _> = texts.map(|text| (text.as_ptr(), text.len())).collect();
                assert!(texts.values().sum::<usize>() <= most * longest, "after line {number}");
            }
            assert_eq!(lines.lines.len(), most);
        }
    }

    #[test]
    fn without_a_window_no_line_can_be_named() {
        let mut lines = EarlierLines::new(0);
        plan(&mut lines, item("a", Item::default()));
        let rejected = rejection(plan(&mut lines, item("b", after(&["a"]))));
        assert_eq!(rejected, ItemRejection::NotInWindow { name: "a".into(), lines: 0 });
        assert!(lines.lines.is_empty() && lines.latest.is_empty());
    }
}
