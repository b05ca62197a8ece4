// Search and filter of a report. Without it the page shows everything.
(() => {
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const list = (name, items, passes, word) => {
    const form = document.getElementById(`${name}-filters`);
    if (!form) return () => {};
    const told = form.querySelector('output');
    const texts = new Map(items.map((item) => [item, item.textContent.toLowerCase()]));
    const show = () => {
      const words = form.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const fits = passes(item, form) && words.every((w) => texts.get(item).includes(w));
        item.hidden = !fits;
        shown += fits;
      }
      told.textContent = `${shown} of ${items.length} ${word}`;
    };
    form.addEventListener('input', show);
    form.addEventListener('submit', (event) => event.preventDefault());
    show();
    return show;
  };

  const same = (wanted, value) => !wanted || wanted === value;
  const findings = all('section.finding');
  const showFindings = list('finding', findings, (item, form) =>
    same(form.says.value, item.dataset.says) && same(form.channel.value, item.dataset.channel)
      && same(form.audit.value, item.dataset.audit), 'findings');

  const listed = (text, number) => ` ${text} `.includes(` ${number} `);
  const showSamples = list('sample', all('.samples tbody tr'), (row, form) => {
    const number = form.finding.value;
    if (number && !listed(row.dataset.judged, number)) return false;
    if (!form.failed.checked) return true;
    return number ? listed(row.dataset.fails, number) : row.dataset.fails !== '';
  }, 'samples');

  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link) return;
    const form = document.getElementById('sample-filters');
    if (link.dataset.finding && form) {
      form.reset();
      form.finding.value = link.dataset.finding;
      showSamples();
    }
    const target = document.getElementById(link.hash.slice(1));
    if (target && target.hidden) {  // a finding that the filter hides
      document.getElementById('finding-filters').reset();
      showFindings();
    }
  });

  const closed = [];
  addEventListener('beforeprint', () => {
    for (const part of all('details:not([open])')) { part.open = true; closed.push(part); }
  });
  addEventListener('afterprint', () => {
    for (const part of closed.splice(0)) part.open = false;
  });
  document.documentElement.classList.add('scripted');
})();
