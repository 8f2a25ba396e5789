/* phasor_sum: the Python side. */

#include "binding.h"
#include "phasor_sum.h"

enum { WAY, GAIN, CHOSEN, OUT, BUFFERS };

static const char phasor_sum_doc[] =
    "PhasorSum(*, mics, segment_samples)\n--\n\n"
    "Many smoothly turning phasors, summed for each microphone:\n"
    "y[m](t) += sum over p of gain[p, m](t) exp(j 2 pi phase[p, m](t)).\n\n"
    "Args:\n"
    "    mics: 1 to 8.\n"
    "    segment_samples: samples from one point to the next, 1 to 512.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char phasor_sum_process_into_doc[] =
    "process_into($self, /, way, turns_per_way, gain, chosen, out)\n--\n\n"
    "Add the sum to `out` complex64 [mics, segments * segment_samples].\n\n"
    "The phase is `turns_per_way` times `way`; paths whose entry in `chosen` uint8 [paths] is 0 are left out.\n"
    "`way` float64 and `gain` float32 [segments + 1 + 2 * PHASOR_MARGIN, paths, mics] stand at equally\n"
    "spaced instants; the first sample stands at point PHASOR_MARGIN. Phases are cubics and gains straight lines\n"
    "between points. All C-contiguous. A path whose gain is 0 costs nothing.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: a shape or memory layout is another one.";

static void phasor_sum_destroy(void *core)
{
    pp_phasor_sum_destroy(core);
}

static PyObject *phasor_sum_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mics", "segment_samples", NULL};
    pp_phasor_sum_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$ii:PhasorSum", names, &spec.mics, &spec.segment_samples)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_phasor_sum_create(&spec, reason), phasor_sum_destroy, reason);
}

static void phasor_sum_dealloc(PyObject *self)
{
    pp_unwrap(self, phasor_sum_destroy);
}

/* All or none. */
static bool take_phasors(pp_phasor_sum *core, PyObject *const objects[BUFFERS], Py_buffer views[BUFFERS])
{
    const Py_ssize_t mics = (Py_ssize_t)pp_phasor_sum_mics(core);
    const Py_ssize_t samples = (Py_ssize_t)pp_phasor_sum_segment_samples(core);
    const pp_buffer_wish wishes[OUT] = {
        [WAY] = {"way", "float64", "d", 8, 8, 3, {PP_ANY, PP_ANY, mics}, false},
        [GAIN] = {"gain", "float32", "f", 4, 4, 3, {PP_AS(WAY, 0), PP_AS(WAY, 1), mics}, false},
        [CHOSEN] = {"chosen", "uint8", "B", 1, 1, 1, {PP_AS(WAY, 1)}, false},
    };
    if (!pp_take_all(objects, wishes, OUT, views)) {
        return false;
    }
    const Py_ssize_t points = views[WAY].shape[0], segments = points - 1 - 2 * PP_PHASOR_MARGIN;
    const pp_buffer_wish out = {"out", "complex64", "Zf", 8, 4, 2, {mics, segments * samples}, true};
    if (segments < 1) {
        PyErr_Format(PyExc_ValueError, "way: wanted at least %d points, got %zd", 2 + 2 * PP_PHASOR_MARGIN, points);
    } else if (pp_take(objects[OUT], &out, &views[OUT])) {
        return true;
    }
    pp_release_all(views, OUT);
    return false;
}

static PyObject *phasor_sum_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"way", "turns_per_way", "gain", "chosen", "out", NULL};
    PyObject *objects[BUFFERS] = {NULL};
    double turns_per_way = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OdOOO:process_into", names, &objects[WAY], &turns_per_way,
                                     &objects[GAIN], &objects[CHOSEN], &objects[OUT]) ||
        !pp_enter(self)) {
        return NULL;
    }
    pp_phasor_sum *const core = pp_core(self);
    Py_buffer views[BUFFERS] = {0};
    const bool accepted = take_phasors(core, objects, views);
    if (accepted) {
        const size_t segments = (size_t)(views[WAY].shape[0] - 1 - 2 * PP_PHASOR_MARGIN);
        Py_BEGIN_ALLOW_THREADS
        pp_phasor_sum_execute(core, views[WAY].buf, turns_per_way, views[GAIN].buf, views[CHOSEN].buf, segments,
                              (size_t)views[WAY].shape[1], views[OUT].buf);
        Py_END_ALLOW_THREADS
        pp_release_all(views, BUFFERS);
    }
    pp_leave(self);
    if (!accepted) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef phasor_sum_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))phasor_sum_process_into, METH_VARARGS | METH_KEYWORDS,
     phasor_sum_process_into_doc},
    {0},
};

static PyType_Slot phasor_sum_slots[] = {
    {Py_tp_new, phasor_sum_new},         {Py_tp_dealloc, phasor_sum_dealloc},
    {Py_tp_methods, phasor_sum_methods}, {Py_tp_doc, (void *)phasor_sum_doc},
    {0, NULL},
};

PyType_Spec pp_phasor_sum_type = {
    .name = "appliance.dsp._core.PhasorSum",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = phasor_sum_slots,
};
